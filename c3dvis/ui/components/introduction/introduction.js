// The introduction: the program's name, one sentence, and an explanation in five sentences with a drawing each.
// Put away, it is the name and a question mark, in the same place; localStorage keeps that.

const AWAY = "c3dvis.introduction.away";
const SENTENCE = "shows, as a moving picture, what each filter of a video network looks for.";

const frame = (x, y, more = "") => `<rect x="${x}" y="${y}" width="36" height="30" class="paper"/>${more}`;
const PARTS = [
  {
    term: "Filter",
    drawing: `${frame(8, 13)}<circle cx="20" cy="24" r="5" class="ink"/><rect x="11" y="15" width="18" height="18" class="line"/>
      <path d="M50 28h12m-4-4 4 4-4 4" class="line"/><path d="M70 42V36m6 6V14m6 28V30m6 12V38" class="bar"/>`,
    text:
      "A filter is one of a layer’s detectors: it slides over a clip and responds where it finds its pattern, and the " +
      "moving picture is a clip that was made, step by step, so that this response becomes as high as possible.",
  },
  {
    term: "Layer and block",
    drawing: `<path d="M8 8v40M12 8v40M16 8v40" class="bar thin"/><path d="M32 14v28M37 14v28" class="bar"/>
      <path d="M56 20v16M63 20v16" class="bar wide"/><path d="M82 24v8" class="bar wider"/>`,
    text:
      "Layers follow each other, as numbers and letters say (Conv3d_1a, Mixed_3b … Mixed_5c; conv1, conv2, conv3a …): " +
      "early ones see edges and colours in a few pixels, late ones whole things and actions, and the size beside a " +
      "layer is how many frames, rows and columns of positions it responds at, and how many filters it has.",
  },
  {
    term: "Branch",
    drawing: `<path d="M6 28h14M20 28 34 10h26l14 18M20 28l14-6h26l14 6M20 28l14 6h26l14-6M20 28l14 18h26l14-18M74 28h14" class="line"/>
      <circle cx="47" cy="10" r="4" class="ink"/><circle cx="47" cy="22" r="4" class="ink"/>
      <circle cx="47" cy="34" r="4" class="ink"/><circle cx="47" cy="46" r="4" class="ink"/>`,
    text:
      "A Mixed block has four branches side by side, with small kernels (1×1), larger ones (3×3) and pooling before " +
      "one; the filters of Mixed_4d are those of its four branches, one after the other, and each is there by its own " +
      "name too, such as Mixed_4d/Branch_1/Conv3d_0b_3x3.",
  },
  {
    term: "Slices",
    drawing: `${frame(6, 6)}${frame(12, 12)}${frame(18, 18, '<path d="M18 33h36" class="accent"/>')}
      <rect x="62" y="12" width="28" height="32" class="paper"/><path d="M67 12v32" class="line"/><path d="M72 12l14 32" class="accent"/>`,
    text:
      "The slices cut the clip along time: x–t is one row of pixels in every frame, one frame below the other, and y–t " +
      "one column, so what stands still is a straight line down and what moves is a slanted one.",
  },
  {
    term: "Measures",
    drawing: `<path d="M10 46V20" class="bar wide"/><path d="M26 46v-5m10 5v-4m10 4v-6" class="bar wide pale"/>
      <path d="M62 30l8 8 18-22" class="accent"/>`,
    text:
      "The measures say whether to believe the picture: how high the response to it is (shown activation), how many " +
      "times higher than to scrambled copies (gain), whether light and colour are as in real video (contrast), how " +
      "many other filters respond more (selectivity), what remains after a shift or a blur (robustness), without the " +
      "movement (motion), and whether its parts move together (coherence).",
  },
];

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function button(className, text) {
  const made = make("button", className, text);
  made.type = "button";
  return made;
}

function explanation(methodPath) {
  const panel = make("section", "panel");
  panel.id = "explanation";
  panel.setAttribute("aria-label", "What am I looking at?");
  for (const { term, drawing, text } of PARTS) {
    const part = make("div", "part");
    const picture = make("div", "drawing");
    picture.innerHTML = `<svg viewBox="0 0 96 56" aria-hidden="true">${drawing}</svg>`; // no text from outside
    const words = make("p", "");
    words.append(make("strong", "", term), ` ${text}`);
    part.append(picture, words);
    panel.append(part);
  }
  const more = make("a", "more", "How it works: the method in full");
  more.href = methodPath;
  panel.append(more);
  return panel;
}

const remembered = () => {
  try {
    return localStorage.getItem(AWAY) === "yes";
  } catch {
    return false; // the browser keeps nothing for this page
  }
};

const remember = (away) => {
  try {
    localStorage.setItem(AWAY, away ? "yes" : "no");
  } catch {
    // it is put away until the page loads anew
  }
};

export default function ({ parentElement, data: message }) {
  if (parentElement.querySelector(".introduction")) return;
  const data = JSON.parse(new TextDecoder().decode(message));
  const root = make("div", "introduction");
  const line = make("p", "head");
  const panel = explanation(data.method);
  let away = remembered();
  let open = false;

  const sentence = make("span", "sentence", ` ${SENTENCE}`);
  const toggle = button("toggle", "");
  const putAway = button("away", "Put away");
  putAway.title = "Hide this line; the question mark brings it back";
  line.append(make("strong", "name", "c3dvis"), sentence, toggle, putAway);
  root.append(line, panel);

  function draw() {
    root.dataset.away = away;
    sentence.hidden = putAway.hidden = away && !open;
    panel.hidden = !open;
    toggle.textContent = open ? "Close" : away ? "?" : "What am I looking at?";
    toggle.setAttribute("aria-label", open ? "Close the explanation" : "What am I looking at?");
    toggle.setAttribute("aria-expanded", open);
    toggle.setAttribute("aria-controls", panel.id);
  }
  toggle.addEventListener("click", () => {
    open = !open;
    draw();
  });
  putAway.addEventListener("click", () => {
    away = true;
    open = false;
    remember(true);
    draw();
    toggle.focus();
  });
  draw();
  parentElement.append(root);
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
}
