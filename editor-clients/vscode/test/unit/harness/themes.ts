// The colours that VS Code gives a webview, as far as the panel uses them, for four of its own themes.

const DARK = {
  "foreground": "#cccccc", "descriptionForeground": "#9d9d9d", "errorForeground": "#f85149", "icon-foreground": "#cccccc",
  "focusBorder": "#0078d4", "selection-background": "#264f78", "sideBar-background": "#181818", "editor-background": "#1f1f1f",
  "editor-foreground": "#cccccc", "editorWidget-background": "#202020", "widget-border": "#313131", "widget-shadow": "#0000005c",
  "panel-border": "#2b2b2b", "panelTitle-activeBorder": "#0078d4", "panelTitle-activeForeground": "#cccccc",
  "tab-inactiveForeground": "#9d9d9d", "input-background": "#313131", "input-foreground": "#cccccc", "input-border": "#3c3c3c",
  "input-placeholderForeground": "#989898", "inputValidation-errorBorder": "#be1100", "dropdown-background": "#313131",
  "dropdown-foreground": "#cccccc", "dropdown-border": "#3c3c3c", "button-background": "#0078d4", "button-foreground": "#ffffff",
  "button-hoverBackground": "#026ec1", "button-border": "#ffffff12", "button-secondaryBackground": "#313131",
  "button-secondaryForeground": "#cccccc", "button-secondaryHoverBackground": "#3c3c3c", "toolbar-hoverBackground": "#5a5d5e50",
  "menu-background": "#1f1f1f", "menu-foreground": "#cccccc", "menu-border": "#454545", "menu-selectionBackground": "#0078d4",
  "menu-selectionForeground": "#ffffff", "list-hoverBackground": "#2a2d2e", "list-activeSelectionBackground": "#04395e",
  "list-activeSelectionForeground": "#ffffff", "textLink-foreground": "#4daafc", "textLink-activeForeground": "#4daafc",
  "textCodeBlock-background": "#2b2b2b", "textPreformat-foreground": "#d0d0d0", "textPreformat-background": "#3c3c3c",
  "textBlockQuote-background": "#2b2b2b", "textBlockQuote-border": "#616161", "textSeparator-foreground": "#21262d",
  "editorWarning-foreground": "#cca700", "editorError-foreground": "#f14c4c", "progressBar-background": "#0078d4",
  "charts-blue": "#3794ff", "charts-green": "#89d185", "charts-orange": "#d18616", "charts-purple": "#b180d7", "charts-red": "#f14c4c",
  "charts-yellow": "#cca700", "charts-foreground": "#cccccc", "charts-lines": "#cccccc80",
  "symbolIcon-keywordForeground": "#cccccc", "symbolIcon-methodForeground": "#b180d7", "symbolIcon-classForeground": "#ee9d28",
  "symbolIcon-variableForeground": "#75beff", "debugTokenExpression-string": "#ce9178", "debugTokenExpression-number": "#b5cea8",
  "gitDecoration-addedResourceForeground": "#81b88b", "gitDecoration-deletedResourceForeground": "#c74e39",
  "chat-requestBorder": "#ffffff1a", "chat-requestBubbleBackground": "#ffffff0a", "badge-background": "#616161", "badge-foreground": "#f8f8f8",
};

const LIGHT: typeof DARK = {
  ...DARK,
  "foreground": "#3b3b3b", "descriptionForeground": "#3b3b3b", "icon-foreground": "#3b3b3b", "focusBorder": "#005fb8",
  "selection-background": "#add6ff", "sideBar-background": "#f8f8f8", "editor-background": "#ffffff", "editor-foreground": "#3b3b3b",
  "editorWidget-background": "#f8f8f8", "widget-border": "#e5e5e5", "widget-shadow": "#00000029", "panel-border": "#e5e5e5",
  "panelTitle-activeBorder": "#005fb8", "panelTitle-activeForeground": "#3b3b3b", "tab-inactiveForeground": "#868686",
  "input-background": "#ffffff", "input-foreground": "#3b3b3b", "input-border": "#cecece", "input-placeholderForeground": "#767676",
  "dropdown-background": "#ffffff", "dropdown-foreground": "#3b3b3b", "dropdown-border": "#cecece", "button-background": "#005fb8",
  "button-hoverBackground": "#0258a8", "button-border": "#0000001a", "button-secondaryBackground": "#e5e5e5",
  "button-secondaryForeground": "#3b3b3b", "button-secondaryHoverBackground": "#cccccc", "toolbar-hoverBackground": "#b8b8b850",
  "menu-background": "#ffffff", "menu-foreground": "#3b3b3b", "menu-border": "#cecece", "menu-selectionBackground": "#005fb8",
  "list-hoverBackground": "#f2f2f2", "list-activeSelectionBackground": "#e8e8e8", "list-activeSelectionForeground": "#000000",
  "textLink-foreground": "#005fb8", "textLink-activeForeground": "#005fb8", "textCodeBlock-background": "#f8f8f8",
  "textPreformat-foreground": "#3b3b3b", "textPreformat-background": "#0000001f", "textBlockQuote-background": "#f8f8f8",
  "textBlockQuote-border": "#e5e5e5", "textSeparator-foreground": "#21262d", "editorWarning-foreground": "#bf8803",
  "editorError-foreground": "#e51400", "progressBar-background": "#005fb8", "charts-blue": "#1a85ff", "charts-green": "#388a34",
  "charts-orange": "#d18616", "charts-purple": "#652d90", "charts-red": "#e51400", "charts-yellow": "#bf8803",
  "charts-foreground": "#3b3b3b", "charts-lines": "#3b3b3b80", "symbolIcon-keywordForeground": "#3b3b3b",
  "symbolIcon-methodForeground": "#652d90", "symbolIcon-classForeground": "#d67e00", "symbolIcon-variableForeground": "#007acc",
  "debugTokenExpression-string": "#a31515", "debugTokenExpression-number": "#098658", "chat-requestBorder": "#0000001a",
  "chat-requestBubbleBackground": "#00000008", "gitDecoration-addedResourceForeground": "#587c0c",
  "gitDecoration-deletedResourceForeground": "#ad0707", "badge-background": "#cccccc", "badge-foreground": "#3b3b3b",
};

/** High contrast themes leave many colours out: the panel falls back to what they have. */
function contrast(ink: string, paper: string, line: string, focus: string, link: string): Record<string, string> {
  return {
    "foreground": ink, "descriptionForeground": ink, "errorForeground": paper === "#000000" ? "#f48771" : "#b5200d", "icon-foreground": ink,
    "focusBorder": focus, "contrastBorder": line, "contrastActiveBorder": focus, "selection-background": "#008000",
    "sideBar-background": paper, "editor-background": paper, "editor-foreground": ink, "editorWidget-background": paper,
    "widget-border": line, "panel-border": line, "input-background": paper, "input-foreground": ink, "input-border": line,
    "input-placeholderForeground": ink, "dropdown-background": paper, "dropdown-foreground": ink, "dropdown-border": line,
    "button-background": paper === "#000000" ? "#000000" : "#0f4a85", "button-foreground": "#ffffff", "button-border": line,
    "button-secondaryBackground": paper, "button-secondaryForeground": ink, "toolbar-hoverOutline": focus,
    "menu-background": paper, "menu-foreground": ink, "menu-border": line, "textLink-foreground": link, "textLink-activeForeground": link,
    "textBlockQuote-border": ink, "textPreformat-foreground": ink, "editorWarning-foreground": paper === "#000000" ? "#ffd370" : "#895503",
    "editorError-foreground": paper === "#000000" ? "#f48771" : "#b5200d", "charts-blue": paper === "#000000" ? "#3794ff" : "#1a5fb4",
    "charts-green": paper === "#000000" ? "#89d185" : "#374e06", "charts-orange": paper === "#000000" ? "#d18616" : "#8a5000",
    "charts-purple": paper === "#000000" ? "#b180d7" : "#652d90", "charts-red": paper === "#000000" ? "#f14c4c" : "#b5200d",
    "charts-yellow": paper === "#000000" ? "#cca700" : "#6b5300", "charts-foreground": ink, "charts-lines": line,
    "list-hoverBackground": "transparent",
  };
}

const FONTS = {
  "font-family": "system-ui, 'Ubuntu', 'Droid Sans', sans-serif", "font-size": "13px",
  "editor-font-family": "'Droid Sans Mono', 'monospace', monospace", "editor-font-size": "12px",
};

export const THEMES: Record<string, { kind: string; colours: Record<string, string> }> = {
  dark: { kind: "vscode-dark", colours: { ...DARK, ...FONTS } },
  light: { kind: "vscode-light", colours: { ...LIGHT, ...FONTS } },
  contrast: { kind: "vscode-high-contrast", colours: { ...contrast("#ffffff", "#000000", "#6fc3df", "#f38518", "#21a6ff"), ...FONTS } },
  contrastLight: {
    kind: "vscode-high-contrast-light",
    colours: { ...contrast("#292929", "#ffffff", "#0f4a85", "#006bbd", "#0f4a85"), ...FONTS },
  },
};
