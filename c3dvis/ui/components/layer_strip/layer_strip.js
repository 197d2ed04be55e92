// The layer strip: the network as a row of blocks; a press on a block chooses its layer.
// The height of a block stands for the height of its feature map, the opacity of its colour for the number of filters.
// When a block with branches is chosen, a second row shows the convolutions inside it.

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function layerButton(layer, chosen, choose) {
  const button = make("button", "layer");
  button.type = "button";
  button.title = `${layer.name}: ${layer.shape}`;
  button.dataset.layer = layer.name;
  button.setAttribute("role", "radio");
  button.setAttribute("aria-label", `${layer.name}, output ${layer.shape}`);
  button.setAttribute("aria-checked", chosen);
  button.tabIndex = chosen ? 0 : -1;
  button.addEventListener("click", () => choose(layer.name));
  return button;
}

/** Arrow keys move the focus between the radio buttons of a row. */
function moveFocus(event, row) {
  const radios = [...row.querySelectorAll("button")];
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const at = radios.indexOf(event.target);
  if (!step || at < 0) return;
  event.preventDefault();
  radios[(at + step + radios.length) % radios.length].focus();
}

export default function ({ parentElement, data: message, setTriggerValue }) {
  const data = JSON.parse(new TextDecoder().decode(message));
  const choose = (name) => setTriggerValue("chosen", name);
  const focused = parentElement.activeElement?.dataset?.layer;
  parentElement.querySelector(".strip")?.remove();
  const root = make("div", "strip");
  const row = make("div", "blocks");
  row.setAttribute("role", "radiogroup");
  row.setAttribute("aria-label", "Layers, in the order the clip passes them");
  const open = data.blocks.find((block) => block.layer === data.open);
  for (const block of data.blocks) {
    const layer = { name: block.layer, shape: block.shape };
    const button = layerButton(layer, block.layer === data.selected, choose);
    button.classList.toggle("open", block === open);
    const bar = make("span", "block");
    bar.style.height = `${block.height}px`;
    bar.style.setProperty("--opacity", `${block.opacity}%`);
    button.append(bar, make("span", "name", block.label));
    row.append(button);
  }
  root.append(row);
  if (open?.branches.length) {
    const inside = make("div", "inside");
    inside.setAttribute("role", "radiogroup");
    inside.setAttribute("aria-label", `Convolutions inside ${open.layer}`);
    for (const branch of open.branches) {
      const line = make("div", "branch");
      line.append(make("span", "tag", branch.label));
      for (const layer of branch.layers) {
        const button = layerButton(layer, layer.name === data.selected, choose);
        button.append(make("span", "name", layer.label));
        line.append(button);
      }
      inside.append(line);
    }
    if (!inside.querySelector('[tabindex="0"]')) inside.querySelector("button").tabIndex = 0;
    inside.addEventListener("keydown", (event) => moveFocus(event, inside));
    root.append(inside);
  }
  row.addEventListener("keydown", (event) => moveFocus(event, row));
  if (!row.querySelector('[tabindex="0"]')) row.querySelector("button").tabIndex = 0;
  parentElement.append(root);
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  if (focused) [...root.querySelectorAll("button")].find((b) => b.dataset.layer === focused)?.focus();
}
