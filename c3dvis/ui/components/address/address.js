// Corrects the query in the address bar, and follows links within the dashboard.
// Streamlit itself can only add entries to the history; it takes a `popstate` event for a press on Back.

const same = (one, other) => new URLSearchParams(one).toString() === new URLSearchParams(other).toString();

/** Go to a link within the dashboard as Back goes to an address; the pins of this address come along. */
function visit(link) {
  const target = new URL(link.href);
  if (!target.searchParams.has("pin"))
    for (const pin of new URLSearchParams(location.search).getAll("pin")) target.searchParams.append("pin", pin);
  if (target.href !== location.href) history.pushState({}, "", target);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

function onClick(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // the browser opens a tab or window
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement && "visit" in node.dataset);
  if (!link) return;
  event.preventDefault();
  visit(link);
}

export default function ({ parentElement, data: message }) {
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  const { shown, wanted } = JSON.parse(new TextDecoder().decode(message));
  if (!window.c3dvisVisits) document.addEventListener("click", (window.c3dvisVisits = onClick)); // once per tab
  if (same(shown, wanted) || !same(shown, location.search)) return;
  history.replaceState({}, "", `${location.pathname}${wanted ? `?${wanted}` : ""}${location.hash}`);
}
