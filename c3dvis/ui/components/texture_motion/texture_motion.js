// A clip taken apart: its texture, the motion as colours and arrows with a key, and the clip rebuilt from both.
// It draws the message of texture_motion_message in __init__.py.
// Its root element has the attributes data-clip, data-frame, data-frames and data-playing.

const FPS = 10;
const PLAY = "M7 5v14l12-7z";
const PAUSE = "M7 5h4v14H7zM13 5h4v14h-4z";
const SIDE = 336; // canvas pixels of the motion's longer side
const ARROWS = 9; // along the longer side
const WHEEL = 88; // canvas pixels
const views = new WeakMap(); // parentElement -> View
let settings = null; // kept when the component is mounted anew

/** Split a message: "C3TM", header length (uint32, little endian), JSON header, texture, rebuilt clip, velocity. */
function unpack(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const magic = String.fromCharCode(...data.subarray(0, 4));
  if (magic !== "C3TM") throw new Error(`Expected a message that begins with C3TM, received ${magic}.`);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length)));
  let at = 8 + length;
  const take = (count) => data.subarray(at, (at += count));
  const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
  const pixels = take(product(header.texture) * 3);
  const rebuilt = take(product(header.shape) * 3);
  const bytes = take(header.shape[0] * product(header.velocity) * 2);
  return { ...header, pixels, rebuilt, field: new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** The colour of a velocity: hue is its direction, strength its share of the speed with full colour. */
function colour(down, right) {
  const strength = Math.min(1, Math.hypot(down, right));
  const hue = ((Math.atan2(down, right) * 180) / Math.PI + 360) % 360;
  const part = (shift) => {
    const h = (hue / 60 + shift) % 6;
    return 1 - strength * Math.max(0, Math.min(1, h, 4 - h));
  };
  return [part(5), part(3), part(1)].map((value) => Math.round(255 * value));
}

const MARKUP = `
  <div class="views">
    <figure class="texture"><div class="frame"><canvas role="img"></canvas><i class="inner"></i></div>
      <figcaption><b>Texture</b><span class="share"></span> <span class="words"></span></figcaption></figure>
    <figure class="motion"><div class="frame"><canvas role="img"></canvas></div>
      <figcaption><b>Motion</b><span class="share"></span> <span class="words"></span>
        <div class="key"><canvas role="img" width="${WHEEL}" height="${WHEEL}"></canvas><span></span></div></figcaption></figure>
    <figure class="rebuilt"><div class="frame"><canvas role="img"></canvas></div>
      <figcaption><b>Texture × motion</b><span class="share"></span> <span class="words"></span></figcaption></figure>
  </div>
  <div class="controls">
    <button type="button" class="play"></button>
    <input type="range" min="1" step="1" aria-label="Frame">
    <span class="count"></span>
  </div>`;

class View {
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "apart";
    this.root.setAttribute("role", "group");
    this.root.innerHTML = MARKUP;
    parent.appendChild(this.root);
    this.last = 0; // when the frame on screen was drawn, ms
    this.find(".play").addEventListener("click", () => this.play(!settings.playing));
    this.find("input").addEventListener("input", (event) => {
      this.frame = Number(event.target.value) - 1;
      this.play(false);
    });
    this.tick = (now) => {
      if (settings?.playing && this.clip && now - this.last >= 1000 / FPS - 4) {
        this.last = now;
        this.frame = (this.frame + 1) % this.clip.shape[0];
        this.draw();
      }
      this.timer = requestAnimationFrame(this.tick);
    };
    this.timer = requestAnimationFrame(this.tick);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  destroy() {
    cancelAnimationFrame(this.timer);
    this.root.remove();
  }

  /** Show a message. The same clip keeps its frame. */
  show(clip) {
    settings ??= { playing: !matchMedia("(prefers-reduced-motion: reduce)").matches };
    const same = this.clip?.key === clip.key;
    this.clip = clip;
    this.frame = same ? this.frame : 0;
    const [frames, height, width] = clip.shape;
    this.root.dataset.clip = clip.key;
    this.root.dataset.frames = frames;
    this.root.setAttribute("aria-label", `Texture and motion: ${clip.label}`);
    this.find("input").max = frames;
    for (const [view, name] of [["texture", "texture_share"], ["motion", "motion_share"], ["rebuilt", "rebuilt_share"]]) {
      const [share, words] = clip.sentences[name] ?? ["", ""];
      this.find(`.${view} .share`).textContent = share;
      this.find(`.${view} .words`).textContent = words;
    }
    this.label(".texture canvas", `The still texture of ${clip.label}`);
    this.label(".motion .frame canvas", "The direction and speed of the motion, as colours and arrows");
    this.label(".rebuilt canvas", "The clip that texture and motion give together");
    this.drawTexture();
    this.drawKey();
    const motion = this.find(".motion .frame canvas");
    const scale = SIDE / Math.max(height, width);
    motion.width = Math.round(width * scale);
    motion.height = Math.round(height * scale);
    const [rows, columns] = clip.velocity;
    this.field = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
    const rebuilt = this.find(".rebuilt canvas");
    rebuilt.width = width;
    rebuilt.height = height;
    this.play(settings.playing);
  }

  label(selector, text) {
    this.find(selector).setAttribute("aria-label", text);
  }

  play(playing) {
    settings.playing = playing;
    this.root.dataset.playing = playing;
    const button = this.find(".play");
    button.innerHTML = `<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path fill="currentColor" d="${playing ? PAUSE : PLAY}"/></svg>`;
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.draw();
  }

  draw() {
    const [frames, height, width] = this.clip.shape;
    this.root.dataset.frame = this.frame;
    this.find("input").value = this.frame + 1; // counted from 1, as beside it
    this.find(".count").textContent = `${String(this.frame + 1).padStart(String(frames).length, "\u2007")} / ${frames}`;
    paint(this.find(".rebuilt canvas"), this.clip.rebuilt, this.frame * height * width * 3);
    this.drawMotion();
  }

  /** The texture, with a dashed frame around the part that is seen where nothing has moved. */
  drawTexture() {
    const [height, width] = this.clip.texture;
    const [, rows, columns] = this.clip.shape;
    const canvas = this.find(".texture canvas");
    canvas.width = width;
    canvas.height = height;
    paint(canvas, this.clip.pixels, 0);
    const inner = this.find(".inner").style;
    inner.left = inner.right = `${(50 * (width - columns)) / width}%`;
    inner.top = inner.bottom = `${(50 * (height - rows)) / height}%`;
  }

  velocity(row, column) {
    const [rows, columns] = this.clip.velocity;
    const at = ((this.frame * rows + row) * columns + column) * 2;
    return [this.clip.field[at] / 127, this.clip.field[at + 1] / 127];
  }

  drawMotion() {
    const [rows, columns] = this.clip.velocity;
    const small = this.field.getContext("2d");
    const image = small.createImageData(columns, rows);
    for (let row = 0, to = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, to += 4) {
        image.data.set(colour(...this.velocity(row, column)), to);
        image.data[to + 3] = 255;
      }
    small.putImageData(image, 0, 0);
    const canvas = this.find(".motion .frame canvas");
    const context = canvas.getContext("2d");
    context.drawImage(this.field, 0, 0, canvas.width, canvas.height);
    const spacing = SIDE / ARROWS;
    context.strokeStyle = context.fillStyle = "#111d";
    context.lineWidth = 2;
    for (let y = spacing / 2; y < canvas.height; y += spacing)
      for (let x = spacing / 2; x < canvas.width; x += spacing) {
        const row = Math.min(rows - 1, Math.floor((y / canvas.height) * rows));
        const column = Math.min(columns - 1, Math.floor((x / canvas.width) * columns));
        const [down, right] = this.velocity(row, column);
        arrow(context, x, y, right * spacing * 0.8, down * spacing * 0.8);
      }
  }

  drawKey() {
    const canvas = this.find(".key canvas");
    const context = canvas.getContext("2d");
    const image = context.createImageData(WHEEL, WHEEL);
    const radius = WHEEL / 2;
    for (let y = 0, to = 0; y < WHEEL; y++)
      for (let x = 0; x < WHEEL; x++, to += 4) {
        const [down, right] = [(y + 0.5) / radius - 1, (x + 0.5) / radius - 1];
        image.data.set(colour(down, right), to);
        image.data[to + 3] = Math.hypot(down, right) <= 1 ? 255 : 0;
      }
    context.putImageData(image, 0, 0);
    const speed = this.clip.speed.toPrecision(2);
    this.find(".key span").textContent = `Colour is the direction; full colour is ${speed} px per frame or more.`;
    this.label(".key canvas", "Key: the colour of each direction");
  }
}

function paint(canvas, pixels, from) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(canvas.width, canvas.height);
  for (let to = 0; to < image.data.length; to += 4, from += 3) {
    image.data[to] = pixels[from];
    image.data[to + 1] = pixels[from + 1];
    image.data[to + 2] = pixels[from + 2];
    image.data[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** An arrow centred on a point; a dot where the motion is too slow for one. */
function arrow(context, x, y, right, down) {
  const length = Math.hypot(right, down);
  context.beginPath();
  if (length < 4) {
    context.arc(x, y, 1.5, 0, 7);
    context.fill();
    return;
  }
  const [ux, uy] = [right / length, down / length];
  const head = Math.min(8, length / 2);
  const [tipX, tipY] = [x + right / 2, y + down / 2];
  context.moveTo(x - right / 2, y - down / 2);
  context.lineTo(tipX, tipY);
  context.moveTo(tipX - head * (ux - 0.6 * uy), tipY - head * (uy + 0.6 * ux));
  context.lineTo(tipX, tipY);
  context.lineTo(tipX - head * (ux + 0.6 * uy), tipY - head * (uy - 0.6 * ux));
  context.stroke();
}

export default function ({ parentElement, data }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new View(parentElement)));
  const update = (view.updates = (view.updates || 0) + 1);
  view.show(unpack(data));
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  return () => {
    if (view.updates !== update) return; // a later message is shown already: keep the view
    views.delete(parentElement);
    view.destroy();
  };
}
