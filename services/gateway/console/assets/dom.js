// Builds elements. Text always goes in as text: nothing here, or anywhere in the console, turns a string into markup.

const SVG = "http://www.w3.org/2000/svg";

// Return an element. `props` are attributes; `on...` functions listen; false, null and undefined leave an attribute away.
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

// Return an element of a drawing.
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Put children in the place of those that an element has.
export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
}

// Tell whether the keyboard is writing into something or a dialog waits for it, so that keys are not shortcuts.
export function typing(event) {
  const target = event.target;
  return document.querySelector("dialog[open]") !== null || (target instanceof Element && target.closest("input, textarea, select") !== null);
}
