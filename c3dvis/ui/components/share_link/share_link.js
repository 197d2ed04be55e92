// The command line that repeats a render, a button that copies it, and a button that copies the link of the page.
// (Streamlit's own code box would load 1.5 MB of syntax highlighting for one line.)

function copyButton(label, title) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.title = title;
  button.setAttribute("aria-live", "polite");
  return button;
}

async function copy(button, text, confirmation) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    window.prompt("Copy this", text); // browsers offer no clipboard outside https and localhost
    return;
  }
  button.textContent = confirmation;
  setTimeout(() => (button.textContent = label), 1600);
}

export default function ({ parentElement, data: message }) {
  const data = JSON.parse(new TextDecoder().decode(message));
  parentElement.querySelector(".share-link")?.remove();
  const root = document.createElement("div");
  root.className = "share-link";
  const link = copyButton("Copy link", "Copy the address of what this page shows");
  link.addEventListener("click", () => {
    const query = data.query ? `?${data.query}` : "";
    copy(link, `${location.origin}${location.pathname}${query}`, "Link copied");
  });
  root.append(link);
  parentElement.append(root);
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  if (!data.command) return;
  const line = document.createElement("code");
  for (const word of data.command.split(" ")) {
    const span = document.createElement("span"); // one element per word, so that no line breaks inside a flag
    span.textContent = word;
    line.append(span, " ");
  }
  line.tabIndex = 0;
  line.setAttribute("aria-label", "The command line that repeats this render");
  const command = copyButton("Copy command", "Copy the command line that repeats this render");
  command.addEventListener("click", () => copy(command, data.command, "Command copied"));
  root.prepend(line, command);
}
