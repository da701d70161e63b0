// xterm writes `<style>` elements, which the page's policy forbids. It may be given a document of its
// own making: this one hands out elements whose text becomes a constructed style sheet instead.

/** The document to give to xterm as `documentOverride`. */
export function documentWithSheets(real: Document = document): Document {
  return new Proxy(real, {
    get(target, key) {
      if (key === "createElement") {
        return (name: string, options?: ElementCreationOptions) =>
          name.toLowerCase() === "style" ? sheetElement(target) : target.createElement(name, options);
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

/** An element that looks like `<style>` to its maker. */
function sheetElement(real: Document): HTMLElement {
  const element = real.createElement("span");
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  let text = "";
  Object.defineProperty(element, "textContent", {
    get: () => text,
    set: (css: string) => {
      text = css;
      sheet.replaceSync(css);
      if (!real.adoptedStyleSheets.includes(sheet)) {
        real.adoptedStyleSheets = [...real.adoptedStyleSheets, sheet];
      }
    },
  });
  Object.defineProperty(element, "remove", {
    value: () => {
      real.adoptedStyleSheets = real.adoptedStyleSheets.filter((one) => one !== sheet);
      Element.prototype.remove.call(element);
    },
  });
  return element;
}

/**
 * Runs what asks the page's own document for `<style>`, as xterm's scroll bar does, with the same
 * elements handed out meanwhile.
 */
export function withSheets<T>(run: () => T, real: Document = document): T {
  const make = real.createElement;
  const patched = (name: string, options?: ElementCreationOptions) =>
    name.toLowerCase() === "style" ? sheetElement(real) : make.call(real, name, options);
  real.createElement = patched as typeof real.createElement;
  try {
    return run();
  } finally {
    real.createElement = make;
  }
}
