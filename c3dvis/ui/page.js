// The address of the server. Without it, Streamlit's script first looks for the server below the address of the page.
window.__streamlit = { BACKEND_BASE_URL: new URL(".", location.href).href };

// In a narrow window the sidebar is a drawer over the page. It closes once it has served: after Render, and after the
// choice of a page.
document.addEventListener("click", (event) => {
  const served = event.target.closest('.st-key-render button, [data-testid="stSidebar"] a');
  if (!served || innerWidth > 768) return;
  setTimeout(() => document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click());
});
