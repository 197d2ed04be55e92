// The wall: clips side by side, all at the same moment of one clock. It knows nothing of networks or results: it gets
// a framed message (see __init__.py) and draws it. Readable on its root: data-frame, data-playing, data-cells.

const SPEEDS = [2, 5, 10, 15, 24, 30];
const WORDS = { dead: "dead", queued: "waiting", running: "rendering", failed: "failed", absent: "not rendered" };
const walls = new WeakMap(); // parentElement -> Wall

function unpack(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const magic = String.fromCharCode(...data.subarray(0, 4));
  if (magic !== "C3DW") throw new Error(`The wall expects a message that begins with C3DW, received ${magic}.`);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length)));
  return { ...header, pixels: data.subarray(8 + length) };
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

/** The frames of a picture, decoded once: `draw(context, frame)` puts one onto a canvas. */
async function decode(picture, bytes) {
  const [frames, height, width] = picture.shape;
  if (picture.columns) {
    const sheet = await createImageBitmap(new Blob([bytes], { type: "image/webp" }));
    return (context, frame) => {
      const left = (frame % picture.columns) * width;
      const top = Math.floor(frame / picture.columns) * height;
      context.drawImage(sheet, left, top, width, height, 0, 0, width, height);
    };
  }
  const image = new ImageData(width, height);
  image.data.fill(255);
  return (context, frame) => {
    for (let from = frame * width * height * 3, to = 0; to < image.data.length; from += 3, to += 4) {
      image.data[to] = bytes[from];
      image.data[to + 1] = bytes[from + 1];
      image.data[to + 2] = bytes[from + 2];
    }
    context.putImageData(image, 0, 0);
  };
}

class Wall {
  constructor(parent) {
    this.root = make("div", { className: "wall", tabIndex: -1 });
    this.list = make("ul");
    this.bar = make("div", { className: "bar" });
    this.root.append(this.list, this.bar);
    parent.append(this.root);
    this.decoded = new Map(); // picture key -> promise of its draw function
    this.cells = [];
    this.position = 0; // frames since the beginning
    this.fps = 10;
    this.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.makeBar();
    this.onScreen = true;
    this.sight = new IntersectionObserver((entries) => (this.onScreen = entries[entries.length - 1].isIntersecting));
    this.sight.observe(this.root);
    this.tick = (now) => {
      this.advance(now);
      this.timer = requestAnimationFrame(this.tick);
    };
    this.timer = requestAnimationFrame(this.tick);
  }

  makeBar() {
    const button = (text, label, act) => {
      const made = make("button", { type: "button", textContent: text, title: label });
      made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      return made;
    };
    this.play = button("", "Play or pause all", () => this.set(!this.playing));
    this.back = button("‹", "Step back", () => this.seek(this.frame - 1));
    this.forward = button("›", "Step forward", () => this.seek(this.frame + 1));
    this.scrub = make("input", { type: "range", min: 0, step: 1 });
    this.scrub.setAttribute("aria-label", "Frame of all");
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.speed = make("select");
    this.speed.setAttribute("aria-label", "Speed, frames per second");
    for (const fps of SPEEDS) this.speed.append(make("option", { value: fps, textContent: `${fps} fps`, selected: fps === this.fps }));
    this.speed.addEventListener("change", () => (this.fps = Number(this.speed.value)));
    this.bar.append(this.play, this.back, this.scrub, this.forward, this.speed);
  }

  get frames() {
    return Math.max(1, ...this.cells.map((cell) => cell.frames));
  }

  get frame() {
    return Math.floor(this.position) % this.frames;
  }

  show(message, choose) {
    this.choose = choose;
    const focused = this.root.getRootNode().activeElement?.dataset?.name;
    this.root.style.setProperty("--side", `${message.side}px`);
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", message.label);
    this.root.classList.toggle("scrubbed", message.scrub);
    this.root.dataset.cells = message.cells.length;
    const known = this.decoded;
    this.decoded = new Map();
    this.cells = message.cells.map((cell) => this.makeCell(cell, message.pixels, known));
    this.list.replaceChildren(...this.cells.map((cell) => cell.item));
    this.bar.hidden = !this.cells.some((cell) => cell.canvas);
    this.scrub.max = this.frames - 1;
    if (focused) this.list.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
    this.draw();
  }

  makeCell(about, pixels, known) {
    const item = make("li", { className: `is-${about.state}` });
    const link = make("a", { href: about.link || "#" });
    link.dataset.name = about.name;
    link.setAttribute("aria-label", `${about.title}${WORDS[about.state] ? `, ${WORDS[about.state]}` : ""}${about.note ? `, ${about.note}` : ""}`);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
      event.preventDefault();
      this.choose(about.name);
    });
    item.append(link);
    const cell = { item, frames: 1 };
    const picture = about.state === "dead" ? null : about.picture;
    if (picture) {
      const [frames, height, width] = picture.shape;
      cell.frames = frames;
      cell.canvas = make("canvas", { width, height });
      cell.canvas.setAttribute("aria-hidden", "true");
      cell.context = cell.canvas.getContext("2d");
      const bytes = pixels.subarray(picture.from, picture.to);
      const decoded = known.get(picture.key) ?? decode(picture, bytes);
      this.decoded.set(picture.key, decoded);
      decoded.then((paint) => {
        cell.paint = paint;
        this.drawCell(cell);
        this.root.dataset.drawn = this.cells.filter((one) => one.paint).length;
      });
      link.append(cell.canvas);
    } else link.append(make("span", { className: "absent", textContent: WORDS[about.state] ?? "" }));
    link.append(make("span", { className: "title", textContent: about.title }));
    if (about.note) link.append(make("span", { className: "note", textContent: about.note }));
    return cell;
  }

  set(playing) {
    this.playing = playing;
    this.draw();
  }

  seek(frame) {
    this.playing = false;
    this.position = (frame + this.frames) % this.frames;
    this.draw();
  }

  advance(now) {
    const passed = Math.min(now - (this.now ?? now), 250); // a tab that slept goes on where it was
    this.now = now;
    if (!this.playing || !this.onScreen) return;
    const before = Math.floor(this.position);
    this.position += (passed * this.fps) / 1000;
    if (Math.floor(this.position) !== before) this.draw();
  }

  draw() {
    for (const cell of this.cells) this.drawCell(cell);
    this.root.dataset.frame = this.frame;
    this.root.dataset.playing = this.playing;
    this.play.textContent = this.playing ? "Pause" : "Play";
    this.scrub.value = this.frame;
  }

  drawCell(cell) {
    if (cell.paint) cell.paint(cell.context, Math.floor(this.position) % cell.frames);
  }

  destroy() {
    cancelAnimationFrame(this.timer);
    this.sight.disconnect();
    this.root.remove();
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  let wall = walls.get(parentElement);
  if (!wall) walls.set(parentElement, (wall = new Wall(parentElement)));
  const turn = (wall.turn = (wall.turn || 0) + 1);
  wall.show(unpack(data), (name) => setTriggerValue("chosen", name));
  return () => {
    if (wall.turn !== turn) return; // a later message took over: the wall lives on
    walls.delete(parentElement);
    wall.destroy();
  };
}
