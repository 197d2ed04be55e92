// The address of the server. Without it, Streamlit's script first looks for the server below the address of the page.
window.__streamlit = { BACKEND_BASE_URL: new URL(".", location.href).href };

// What stands below a component is hidden until the component has drawn itself and has its size (page.css). One frame
// more: a browser counts what becomes visible in another place as moved.
document.addEventListener("drawn", (event) => {
  const host = event.target;
  if ("shown" in host.dataset) return;
  requestAnimationFrame(() => requestAnimationFrame(() => (host.dataset.shown = "")));
});

// In a narrow window the sidebar is a drawer over the page. It closes once it has served: after Render, and after the
// choice of a page.
document.addEventListener("click", (event) => {
  const served = event.target.closest('.st-key-render button, [data-testid="stSidebar"] a');
  if (!served || innerWidth > 768) return;
  setTimeout(() => document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click());
});
