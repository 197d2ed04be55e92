// The layer strip: the network as a row of blocks that shrink as its feature maps do; a press chooses a layer.
// A block's height is the layer's height in positions, its depth of colour the number of filters. A chosen block
// that has branches opens a second row with the convolutions inside it.

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function chip(layer, chosen, choose) {
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

/** Arrow keys move between the radios of a row, as in any radio group. */
function walk(event, row) {
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
  const open = data.stages.find((stage) => stage.layer === data.open);
  for (const stage of data.stages) {
    const layer = { name: stage.layer, shape: stage.shape };
    const button = chip(layer, stage.layer === data.selected, choose);
    button.classList.toggle("open", stage === open);
    const block = make("span", "block");
    block.style.height = `${stage.tall}px`;
    block.style.setProperty("--ink", `${stage.ink}%`);
    button.append(block, make("span", "name", stage.label));
    row.append(button);
  }
  root.append(row);
  if (open?.inside.length) {
    const inside = make("div", "inside");
    inside.setAttribute("role", "radiogroup");
    inside.setAttribute("aria-label", `Convolutions inside ${open.layer}`);
    for (const branch of open.inside) {
      const line = make("div", "branch");
      line.append(make("span", "tag", branch.label));
      for (const layer of branch.layers) {
        const button = chip(layer, layer.name === data.selected, choose);
        button.append(make("span", "name", layer.label));
        line.append(button);
      }
      inside.append(line);
    }
    if (!inside.querySelector('[tabindex="0"]')) inside.querySelector("button").tabIndex = 0;
    inside.addEventListener("keydown", (event) => walk(event, inside));
    root.append(inside);
  }
  row.addEventListener("keydown", (event) => walk(event, row));
  if (!row.querySelector('[tabindex="0"]')) row.querySelector("button").tabIndex = 0;
  parentElement.append(root);
  if (focused) [...root.querySelectorAll("button")].find((b) => b.dataset.layer === focused)?.focus();
}
