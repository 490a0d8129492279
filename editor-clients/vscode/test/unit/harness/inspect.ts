// Looks at a document for anything that hostile text could have made of itself. Runs in the page.

/** What must not be there, each with the place; empty where all is well. */
export function intruders(): string[] {
  const found: string[] = [];
  const own = new Set(
    ("html head body div span p b br hr h1 h2 h3 h4 h5 h6 strong em s code pre blockquote ul ol li table thead tbody tr th td a section header footer main form " +
      "button textarea input select option label fieldset legend details summary figure figcaption dl dt dd svg path rect g line title img meta link script style").split(" "),
  );
  for (const element of document.querySelectorAll("*")) {
    const name = element.localName;
    const where = `<${name}> ${element.outerHTML.slice(0, 160)}`;
    if (!own.has(name)) found.push(`unknown element ${where}`);
    if (["script", "style", "meta", "link", "title"].includes(name) && !document.head.contains(element) && !trusted(element)) found.push(`active element ${where}`);
    for (const { name: attribute, value } of element.attributes) {
      if (/^on/i.test(attribute)) found.push(`handler ${where}`);
      if (/^(src|srcset|href|xlink:href|action|formaction|ping|poster|background|srcdoc|data)$/i.test(attribute) && !harmless(element, attribute, value)) {
        found.push(`address ${attribute}=${value.slice(0, 80)} ${where}`);
      }
      if (attribute === "data-href" && !/^(https?|mailto):/i.test(value)) found.push(`link ${where}`);
      if (attribute === "id" && element.closest(".markdown")) found.push(`id ${where}`);
    }
  }
  return found;
}

/** The panel's own script, and the titles of its charts. */
function trusted(element: Element): boolean {
  return (element.localName === "script" && element.getAttribute("src") === "/view.js") || (element.localName === "title" && element.closest("svg") !== null);
}

function harmless(element: Element, attribute: string, value: string): boolean {
  if (element.localName === "script") return value === "/view.js";
  if (element.localName === "link") return value === "/view.css";
  return element.localName === "img" && attribute === "src" && value.startsWith("data:image/png;base64,");
}

declare global {
  interface Window {
    intruders: typeof intruders;
  }
}
window.intruders = intruders;
