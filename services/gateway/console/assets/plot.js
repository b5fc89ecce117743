// A balance over time as a step line, drawn to the width it has.

import { h, replace, s } from "./dom.js";
import { amount, moment } from "./format.js";

const HEIGHT = 180;
const MARGIN = { top: 18, right: 4, bottom: 26 };
const LETTER = 6.6;
const TICKS = 3;

// Return a plot of points {at: milliseconds, balance}, oldest first. The line is a step: a balance holds until the next entry.
export function plot(points, label) {
  if (points.length === 0) return h("p", { class: "empty" }, "No entries yet.");
  const frame = h("div", { class: "plot" });
  const draw = () => replace(frame, drawing(points, label, Math.max(frame.clientWidth, 240)));
  new ResizeObserver(draw).observe(frame);
  return frame;
}

function drawing(points, label, width) {
  const [start, end] = [points[0].at, Math.max(points.at(-1).at, points[0].at + 1)];
  const low = Math.min(0, ...points.map((point) => point.balance));
  const high = Math.max(low + 1, ...points.map((point) => point.balance));
  const marks = ticks(low, high);
  const left = 10 + LETTER * Math.max(...marks.map((balance) => amount(balance).length));
  const x = (at) => left + ((at - start) / (end - start)) * (width - left - MARGIN.right);
  const y = (balance) => HEIGHT - MARGIN.bottom - ((balance - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const line = points.map((point, place) => `${place ? `H${x(point.at)}V` : `M${x(point.at)} `}${y(point.balance)}`).join("") + `H${x(end)}`;
  const readout = s("text", { class: "readout", x: width - MARGIN.right, y: MARGIN.top - 6, "text-anchor": "end" });
  const marker = s("circle", { class: "marker", r: 4, visibility: "hidden" });
  const words = `${label}: from ${amount(points[0].balance)} to ${amount(points.at(-1).balance)}, lowest ${amount(Math.min(...points.map((p) => p.balance)))}, highest ${amount(Math.max(...points.map((p) => p.balance)))}`;
  const picture = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": words },
    marks.map((balance) => [
      s("line", { class: "grid", x1: left, x2: width - MARGIN.right, y1: y(balance), y2: y(balance) }),
      s("text", { class: "tick", x: left - 6, y: y(balance) + 4, "text-anchor": "end" }, amount(balance)),
    ]),
    s("path", { class: "area", d: `${line}V${y(low)}H${x(start)}Z` }),
    s("path", { class: "line", d: line }),
    s("text", { class: "tick", x: left, y: HEIGHT - 8 }, moment(start, end - start)),
    s("text", { class: "tick", x: width - MARGIN.right, y: HEIGHT - 8, "text-anchor": "end" }, moment(end, end - start)),
    marker, readout);
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = start + ((event.clientX - box.left - left) / (box.width - left - MARGIN.right)) * (end - start);
    const point = points.findLast((each) => each.at <= at) ?? points[0];
    marker.setAttribute("cx", x(point.at));
    marker.setAttribute("cy", y(point.balance));
    marker.setAttribute("visibility", "visible");
    readout.textContent = `${amount(point.balance)} · ${moment(point.at, end - start)}`;
  });
  picture.addEventListener("pointerleave", () => {
    marker.setAttribute("visibility", "hidden");
    readout.textContent = "";
  });
  return picture;
}

// Return a few round balances within the range.
function ticks(low, high) {
  const raw = (high - low) / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(1, power * [1, 2, 5, 10].find((factor) => factor * power >= raw));
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) found.push(tick);
  return found;
}
