// The volume player: plays a clip on a canvas, with x–t and y–t slices through a cross-hair. It enlarges smoothly, or
// pixel for pixel on request; a preview, which has few pixels, always smoothly.
// It draws the message of player_message in __init__.py.
// Its root element has the attributes data-clip, data-frame, data-frames, data-playing, data-live and data-scale.

const SPEEDS = [2, 5, 10, 15, 24, 30]; // frames per second
const FIRST_SPEED = 10;
const GAP = 8; // CSS pixels between the views
const MIN_THICKNESS = 32; // CSS pixels below which a slice cannot be read
const SLICE = 0.27; // thickness of a slice, in widths of the clip, where there is room
const MAX_THICKNESS = 96; // CSS pixels of a slice: the clip and the controls fit on one screen
const AROUND = { page: 470, embedded: 180 }; // CSS pixels of the window's height for the rest of the page and the controls
const SLICE_SHARE = 0.1; // of the clip's height, for the slice below it, where the window's height is the limit
const MIN_HEIGHT = 300; // CSS pixels of the clip, in a window however low
const TAP = 8; // CSS pixels that a finger may move in a tap
const ICONS = {
  play: "M7 5v14l12-7z",
  pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  back: "M18 6v12l-8-6zM6 6h3v12H6z",
  forward: "M6 6v12l8-6zM15 6h3v12h-3z",
  loop: "M12 5V2L7.5 6l4.5 4V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z",
  pingpong: "M7 8V4l-5 5 5 5v-4h10V8zM17 10v4H7v2h10v4l5-5z",
  slices: "M3 3h12v12H3zM17 3h4v12h-4zM3 17h12v4H3z",
  exact: "M4 4h16v16H4zM6 6v5h5V6zM13 13v5h5v-5z",
  full: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
};

const players = new WeakMap(); // parentElement -> Player
let settings = null; // of the player; kept when the component is mounted anew

/** Split a message: "C3DV", header length (uint32, little endian), JSON header, RGB bytes (T, H, W, 3). */
function unpack(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const magic = String.fromCharCode(...data.subarray(0, 4));
  if (magic !== "C3DV") throw new Error(`The player expects a message that begins with C3DV, received ${magic}.`);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length)));
  return { ...header, pixels: data.subarray(8 + length) };
}

function icon(path) {
  return `<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path fill="currentColor" d="${path}"/></svg>`;
}

const MARKUP = `
  <div class="views">
    <figure class="view xy"><canvas role="img"></canvas><i class="line v"></i><i class="line h"></i><figcaption>x–y</figcaption><b class="mark"></b></figure>
    <figure class="view yt"><canvas role="img"></canvas><i class="line v"></i><i class="line h"></i><figcaption>y–t</figcaption></figure>
    <figure class="view xt"><canvas role="img"></canvas><i class="line v"></i><i class="line h"></i><figcaption>x–t</figcaption></figure>
    <p class="placeholder"></p>
  </div>
  <div class="controls">
    <button type="button" class="back" title="Step back (, or ←)" aria-label="Step back">${icon(ICONS.back)}</button>
    <button type="button" class="play" title="Play or pause (space)"></button>
    <button type="button" class="forward" title="Step forward (. or →)" aria-label="Step forward">${icon(ICONS.forward)}</button>
    <input type="range" class="scrub" min="1" step="1" aria-label="Frame">
    <span class="count"></span>
    <span class="options">
      <button type="button" class="order"></button>
      <button type="button" class="slices" title="Show the x–t and y–t slices" aria-label="Show slices">${icon(ICONS.slices)}</button>
      <button type="button" class="exact" title="Exact pixels: squares in place of a smooth enlargement" aria-label="Exact pixels">${icon(ICONS.exact)}</button>
      <button type="button" class="full" title="Full screen (F)" aria-label="Full screen">${icon(ICONS.full)}</button>
      <select class="speed" aria-label="Speed, frames per second" title="Speed">${SPEEDS.map((f) => `<option value="${f}">${f} fps</option>`).join("")}</select>
      <select class="zoom" aria-label="Zoom" title="Zoom: whole screen pixels per clip pixel"><option value="0">fit</option>${[1, 2, 3, 4, 5, 6, 8].map((z) => `<option value="${z}">×${z}</option>`).join("")}</select>
    </span>
    <span class="spoken" role="status"></span>
  </div>`;

class Player {
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "player";
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "group");
    this.root.innerHTML = MARKUP;
    parent.appendChild(this.root);
    this.clip = null;
    this.direction = 1;
    this.last = 0; // when the frame on screen was drawn, ms
    this.painters = {};
    for (const name of ["xy", "xt", "yt"]) {
      const figure = this.find(`.${name}`);
      const canvas = figure.querySelector("canvas");
      this.painters[name] = { figure, canvas, context: canvas.getContext("2d", { willReadFrequently: true }) };
      this.listenToPointer(name, figure);
    }
    this.find(".full").hidden = !document.fullscreenEnabled;
    this.listenToControls();
    this.resizes = new ResizeObserver(() => this.layout());
    this.resizes.observe(this.root);
    this.onScreen = true;
    this.visibility = new IntersectionObserver((entries) => {
      this.onScreen = entries[entries.length - 1].isIntersecting;
    });
    this.visibility.observe(this.root);
    this.tick = (now) => {
      this.advance(now);
      this.timer = requestAnimationFrame(this.tick);
    };
    this.timer = requestAnimationFrame(this.tick);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  destroy() {
    cancelAnimationFrame(this.timer);
    this.resizes.disconnect();
    this.visibility.disconnect();
    this.root.remove();
  }

  /** Show a message. The same clip keeps its frame; another clip starts at the same fraction of time and space. */
  show(message) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    settings ??= { playing: !still, at: 0, x: 0.5, y: 0.5, fps: FIRST_SPEED, pingpong: false, zoom: 0, exact: false, slices: true };
    this.settings = settings;
    const same = this.clip && this.clip.key === message.key;
    this.clip = message;
    const [frames, height, width] = message.shape;
    this.frame = same ? this.frame : Math.min(frames - 1, Math.floor(this.settings.at * frames));
    const empty = message.pixels.length === 0;
    this.root.classList.toggle("empty", empty);
    this.root.classList.toggle("live", message.live);
    this.root.dataset.clip = message.key;
    this.root.dataset.frames = frames;
    this.root.dataset.live = message.live;
    this.root.setAttribute("aria-label", `Volume player: ${message.label}`);
    this.find(".placeholder").textContent = message.placeholder;
    this.find(".mark").textContent = message.mark;
    for (const control of this.root.querySelectorAll("button, input, select")) control.disabled = empty;
    if (!same) {
      this.setCanvas("xy", width, height);
      this.setCanvas("xt", width, frames);
      this.setCanvas("yt", frames, height);
      this.find(".scrub").max = frames;
    }
    this.layout();
    this.redraw();
  }

  setCanvas(name, width, height) {
    const painter = this.painters[name];
    painter.canvas.width = width;
    painter.canvas.height = height;
    painter.image = painter.context.createImageData(width, height);
    painter.image.data.fill(255);
  }

  /** The cross-hair in clip pixels. Its setting is a fraction, since a preview and its result differ in size. */
  get cross() {
    const [, height, width] = this.clip.shape;
    return {
      x: Math.min(width - 1, Math.floor(this.settings.x * width)),
      y: Math.min(height - 1, Math.floor(this.settings.y * height)),
    };
  }

  get isFull() {
    return this.root.matches(":fullscreen");
  }

  /** Fill the room. Exact pixels are whole device pixels, so that all clip pixels are equal squares on the screen. */
  layout() {
    if (!this.clip || !this.root.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    const [frames, height, width] = this.clip.display; // size of the finished clip: a preview is drawn as large
    const slices = this.settings.slices;
    const room = (this.root.clientWidth - (slices ? GAP : 0)) * ratio;
    const minThickness = slices ? frames * Math.max(1, Math.ceil((MIN_THICKNESS * ratio) / frames)) : 0;
    const exact = this.settings.exact && String(this.clip.shape) === String(this.clip.display);
    const whole = (value) => (exact && value >= 1 ? Math.floor(value) : value);
    const fit = Math.min((room - minThickness) / width, (this.tallest() * ratio) / height);
    const scale = this.settings.zoom || whole(fit);
    const left = this.settings.zoom ? Infinity : room - width * scale;
    const thickest = Math.min(left, SLICE * width * scale, this.thickest((height * scale) / ratio) * ratio);
    const thickness = Math.max(exact ? 1 : 0, whole(thickest / frames));
    const size = (name, across, down) => {
      const style = this.painters[name].canvas.style;
      style.width = `${across / ratio}px`;
      style.height = `${down / ratio}px`;
    };
    size("xy", width * scale, height * scale);
    size("xt", width * scale, frames * thickness);
    size("yt", frames * thickness, height * scale);
    this.root.classList.toggle("flat", !slices);
    this.root.classList.toggle("smooth", !exact);
    this.root.dataset.scale = scale;
    const across = (width * scale) / ratio;
    this.root.style.setProperty("--across", `${across}px`);
    this.root.style.setProperty("--whole", `${across + (slices ? GAP + (frames * thickness) / ratio : 0)}px`);
    this.root.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  }

  /** Height that the clip may have, CSS pixels. */
  tallest() {
    const room = this.roomInHeight();
    if (!this.settings.slices) return Math.max(MIN_HEIGHT, room);
    return this.isFull ? room - GAP - MAX_THICKNESS : Math.max(MIN_HEIGHT, (room - GAP) / (1 + SLICE_SHARE));
  }

  /** Thickness that a slice may have beside a clip of that height, CSS pixels: the controls stay on the screen. */
  thickest(tall) {
    return Math.min(MAX_THICKNESS, Math.max(MIN_THICKNESS, this.roomInHeight() - GAP - tall));
  }

  /** Height for the clip and the slice below it, CSS pixels. */
  roomInHeight() {
    if (this.isFull) return this.root.clientHeight - this.find(".controls").offsetHeight - 3 * GAP;
    return window.innerHeight - (document.querySelector(".c3d-embedded") ? AROUND.embedded : AROUND.page);
  }

  /** Draw all views and update the controls, after a new clip, a key or a drag. */
  redraw() {
    const { settings } = this;
    const order = this.find(".order");
    const orderName = settings.pingpong ? "Plays forth and back" : "Plays in a loop";
    order.innerHTML = icon(settings.pingpong ? ICONS.pingpong : ICONS.loop);
    order.title = `${orderName}; press to change`;
    order.setAttribute("aria-label", orderName);
    order.setAttribute("aria-pressed", settings.pingpong);
    this.find(".slices").setAttribute("aria-pressed", settings.slices);
    this.find(".exact").setAttribute("aria-pressed", settings.exact);
    this.find(".full").setAttribute("aria-pressed", this.isFull);
    const play = this.find(".play");
    play.innerHTML = icon(settings.playing ? ICONS.pause : ICONS.play);
    play.setAttribute("aria-label", settings.playing ? "Pause" : "Play");
    this.find(".speed").value = settings.fps;
    this.find(".zoom").value = settings.zoom;
    this.root.dataset.playing = settings.playing;
    this.drawSlices();
    this.drawFrame();
  }

  drawFrame() {
    const [frames, height, width] = this.clip.shape;
    const { x, y } = this.cross;
    this.root.dataset.frame = this.frame;
    this.settings.at = this.frame / frames;
    this.find(".scrub").value = this.frame + 1; // counted from 1, as beside it
    const figures = String(frames).length; // all counts are equally wide, so that nothing moves while it plays
    this.find(".count").textContent = `${String(this.frame + 1).padStart(figures, "\u2007")} / ${frames}`;
    this.placeCrossHair("xy", (x + 0.5) / width, (y + 0.5) / height);
    this.placeCrossHair("xt", (x + 0.5) / width, (this.frame + 0.5) / frames);
    this.placeCrossHair("yt", (this.frame + 0.5) / frames, (y + 0.5) / height);
    if (!this.clip.pixels.length) return;
    const offset = this.frame * height * width * 3;
    this.paint("xy", (row, column) => offset + (row * width + column) * 3);
  }

  drawSlices() {
    if (!this.clip.pixels.length) return;
    const [frames, height, width] = this.clip.shape;
    const { x, y } = this.cross;
    this.paint("xt", (row, column) => ((row * height + y) * width + column) * 3);
    this.paint("yt", (row, column) => ((column * height + row) * width + x) * 3);
    this.painters.xy.canvas.setAttribute("aria-label", `${this.clip.label}: ${frames === 1 ? "1 frame" : `${frames} frames`} of ${width} by ${height} pixels`);
    this.painters.xt.canvas.setAttribute("aria-label", `Row ${y} over time`);
    this.painters.yt.canvas.setAttribute("aria-label", `Column ${x} over time`);
  }

  /** Draw one view; `source` gives the offset of a pixel in the clip's bytes. */
  paint(name, source) {
    const { canvas, context, image } = this.painters[name];
    const { pixels } = this.clip;
    for (let row = 0, to = 0; row < canvas.height; row++) {
      for (let column = 0; column < canvas.width; column++, to += 4) {
        const from = source(row, column);
        image.data[to] = pixels[from];
        image.data[to + 1] = pixels[from + 1];
        image.data[to + 2] = pixels[from + 2];
      }
    }
    context.putImageData(image, 0, 0);
  }

  placeCrossHair(name, across, down) {
    const { figure } = this.painters[name];
    figure.style.setProperty("--x", `${across * 100}%`);
    figure.style.setProperty("--y", `${down * 100}%`);
  }

  advance(now) {
    if (!this.clip || !this.settings.playing || !this.onScreen || this.dragging || !this.clip.pixels.length) return;
    const period = 1000 / this.settings.fps;
    if (now - this.last < period - 4) return; // 4 ms: half a screen refresh, so that 30 fps does not become 20
    this.last = now - this.last > 4 * period ? now : this.last + period;
    const frames = this.clip.shape[0];
    if (this.settings.pingpong && frames > 1) {
      if (this.frame + this.direction < 0 || this.frame + this.direction >= frames) this.direction = -this.direction;
      this.frame += this.direction;
    } else this.frame = (this.frame + 1) % frames;
    this.drawFrame();
  }

  /** Show one frame and pause. */
  seek(frame) {
    const frames = this.clip.shape[0];
    this.settings.playing = false;
    this.frame = (frame + frames) % frames;
    this.redraw();
    this.find(".spoken").textContent = `Frame ${this.frame + 1} of ${frames}`;
  }

  set(changes) {
    Object.assign(this.settings, changes);
    this.layout();
    this.redraw();
  }

  listenToControls() {
    const on = (selector, event, handler) => this.find(selector).addEventListener(event, handler);
    on(".play", "click", () => this.set({ playing: !this.settings.playing }));
    on(".back", "click", () => this.seek(this.frame - 1));
    on(".forward", "click", () => this.seek(this.frame + 1));
    on(".scrub", "input", (event) => this.seek(Number(event.target.value) - 1));
    on(".order", "click", () => this.set({ pingpong: !this.settings.pingpong }));
    on(".slices", "click", () => this.set({ slices: !this.settings.slices }));
    on(".exact", "click", () => this.set({ exact: !this.settings.exact }));
    on(".full", "click", () => this.toggleFull());
    this.root.addEventListener("fullscreenchange", () => this.set({}));
    on(".speed", "change", (event) => this.set({ fps: Number(event.target.value) }));
    on(".zoom", "change", (event) => this.set({ zoom: Number(event.target.value) }));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  toggleFull() {
    if (this.isFull) document.exitFullscreen();
    else if (document.fullscreenEnabled) this.root.requestFullscreen();
  }

  onKey(event) {
    const target = event.target;
    if (!this.clip.pixels.length || event.ctrlKey || event.metaKey || event.altKey || target.tagName === "SELECT") return;
    const { x, y } = this.settings;
    const [frames, height, width] = this.clip.shape;
    const move = (dx, dy) =>
      this.set({
        x: Math.min(1 - 0.5 / width, Math.max(0, x + dx / width)),
        y: Math.min(1 - 0.5 / height, Math.max(0, y + dy / height)),
      });
    const shifted = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.shiftKey && shifted[event.key]) move(...shifted[event.key]);
    else if (event.key === " " && target.tagName !== "BUTTON") this.set({ playing: !this.settings.playing });
    else if (event.key === "f") this.toggleFull();
    else if (event.key === "," || event.key === "ArrowLeft") this.seek(this.frame - 1);
    else if (event.key === "." || event.key === "ArrowRight") this.seek(this.frame + 1);
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(frames - 1);
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keyboard shortcuts too
  }

  /** A drag in the x–y view moves the cross-hair; a drag in a slice moves it along one axis and sets the frame.
   * A finger that moves up or down scrolls the page (touch-action in the style sheet): only a tap and a finger that
   * moves sideways count. */
  listenToPointer(name, figure) {
    const drag = (event) => {
      if (!this.clip?.pixels.length) return;
      const box = figure.querySelector("canvas").getBoundingClientRect();
      const fraction = (value, size) => Math.min(0.999, Math.max(0, value / size));
      const across = fraction(event.clientX - box.left, box.width);
      const down = fraction(event.clientY - box.top, box.height);
      if (name !== "yt") this.settings.x = across;
      if (name !== "xt") this.settings.y = down;
      if (name === "xy") this.redraw();
      else this.seek(Math.floor((name === "xt" ? down : across) * this.clip.shape[0]));
    };
    let start = [0, 0];
    figure.addEventListener("pointerdown", (event) => {
      this.dragging = name !== "xy";
      figure.setPointerCapture(event.pointerId);
      start = [event.clientX, event.clientY];
      if (event.pointerType !== "touch") drag(event);
    });
    const moved = (event) => [Math.abs(event.clientX - start[0]), Math.abs(event.clientY - start[1])];
    figure.addEventListener("pointermove", (event) => {
      if (!figure.hasPointerCapture(event.pointerId)) return;
      const [across, down] = moved(event);
      if (event.pointerType !== "touch" || across > Math.max(TAP, down)) drag(event);
    });
    figure.addEventListener("pointerup", (event) => {
      if (event.pointerType === "touch" && Math.max(...moved(event)) <= TAP) drag(event);
    });
    for (const end of ["pointerup", "pointercancel"]) figure.addEventListener(end, () => (this.dragging = false));
  }
}

export default function ({ parentElement, data }) {
  let player = players.get(parentElement);
  if (!player) players.set(parentElement, (player = new Player(parentElement)));
  const update = (player.updates = (player.updates || 0) + 1);
  player.show(unpack(data));
  return () => {
    if (player.updates !== update) return; // a later message is shown already: keep the player
    players.delete(parentElement);
    player.destroy();
  };
}
