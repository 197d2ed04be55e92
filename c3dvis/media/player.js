// The player of the atlas and of notebooks: plays a sheet of frames on a canvas, with x–t and y–t slices through a
// cross-hair. A plain script, and it only ever draws the sheet: pages opened from a folder may neither load modules nor
// read pixels. A notebook runs it again with each of its pictures.
"use strict";

for (const root of document.querySelectorAll(".player:not([data-ready])")) {
  root.dataset.ready = "";
  const sheet = new Image();
  sheet.addEventListener("load", () => play(root, sheet));
  sheet.src = root.dataset.sheet; // until it is there, and if it never comes, the GIF moves
}

function play(root, sheet) {
  const [frames, height, width, columns] = ["frames", "height", "width", "columns"].map((name) => Number(root.dataset[name]));
  const room = Math.min(root.parentElement.clientWidth, 520);
  const scale = Math.max(1, Math.min(3, Math.floor((room - 70) / width)));
  const thick = Math.max(2, Math.floor((0.28 * width * scale) / frames));
  const state = { frame: 0, x: width >> 1, y: height >> 1, fps: Number(root.dataset.fps), playing: !matchMedia("(prefers-reduced-motion: reduce)").matches, last: 0 };

  const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
  const canvas = (across, down, wide, tall, label) => {
    const made = make("canvas", { width: across, height: down });
    made.style.width = `${wide}px`;
    made.style.height = `${tall}px`;
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", `${root.dataset.label}: ${label}`);
    return made;
  };
  const xy = canvas(width, height, width * scale, height * scale, "frame by frame");
  const yt = canvas(frames, height, frames * thick, height * scale, "a column over time");
  const xt = canvas(width, frames, width * scale, frames * thick, "a row over time");
  const views = make("div", { className: "views" });
  views.append(xy, yt, xt);

  const button = make("button", { type: "button" });
  const scrub = make("input", { type: "range", min: 1, max: frames, step: 1 }); // counted from 1
  scrub.setAttribute("aria-label", "Frame");
  const speed = make("select");
  speed.setAttribute("aria-label", "Speed, frames per second");
  for (const fps of [...new Set([2, 5, 10, 15, 24, 30, state.fps])].sort((a, b) => a - b)) speed.append(make("option", { value: fps, textContent: `${fps} fps`, selected: fps === state.fps }));
  const controls = make("div", { className: "controls" });
  controls.append(button, scrub, speed);
  root.replaceChildren(views, controls);

  const left = (frame) => (frame % columns) * width;
  const top = (frame) => Math.floor(frame / columns) * height;
  const draw = () => {
    xy.getContext("2d").drawImage(sheet, left(state.frame), top(state.frame), width, height, 0, 0, width, height);
    const across = yt.getContext("2d");
    const down = xt.getContext("2d");
    for (let t = 0; t < frames; t++) {
      across.drawImage(sheet, left(t) + state.x, top(t), 1, height, t, 0, 1, height);
      down.drawImage(sheet, left(t), top(t) + state.y, width, 1, 0, t, width, 1);
    }
    scrub.value = state.frame + 1;
    root.dataset.frame = state.frame;
    root.dataset.playing = state.playing;
    button.textContent = state.playing ? "Pause" : "Play";
  };
  const seek = (frame) => {
    state.playing = false;
    state.frame = (frame + frames) % frames;
    draw();
  };

  button.addEventListener("click", () => {
    state.playing = !state.playing;
    draw();
  });
  scrub.addEventListener("input", () => seek(Number(scrub.value) - 1));
  speed.addEventListener("change", () => (state.fps = Number(speed.value)));
  const drag = (event) => {
    const box = xy.getBoundingClientRect();
    const pixel = (value, size, count) => Math.min(count - 1, Math.max(0, Math.floor((value / size) * count)));
    state.x = pixel(event.clientX - box.left, box.width, width);
    state.y = pixel(event.clientY - box.top, box.height, height);
    draw();
  };
  xy.addEventListener("pointerdown", (event) => {
    xy.setPointerCapture(event.pointerId);
    drag(event);
  });
  xy.addEventListener("pointermove", (event) => xy.hasPointerCapture(event.pointerId) && drag(event));
  // on a page of its own it has the keys of the page; in a notebook those are the notebook's
  if (!("keys" in root.dataset)) xy.tabIndex = 0;
  ("keys" in root.dataset ? document : xy).addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, select, button, summary, a")) return;
    if (event.key === "ArrowRight") seek(state.frame + 1);
    else if (event.key === "ArrowLeft") seek(state.frame - 1);
    else if (event.key === " ") button.click();
    else return;
    event.preventDefault();
  });

  const tick = (now) => {
    if (state.playing && now - state.last >= 1000 / state.fps) {
      state.last = now;
      state.frame = (state.frame + 1) % frames;
      draw();
    }
    requestAnimationFrame(tick);
  };
  draw();
  requestAnimationFrame(tick);
}
