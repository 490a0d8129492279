"""What an editor says of itself in `initialize`: the kinds of capabilities that every large editor sends."""

from __future__ import annotations

from typing import Any

_DYNAMIC = {"dynamicRegistration": True}
_SYMBOL_KINDS = {"valueSet": list(range(1, 27))}

CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-8", "utf-16", "utf-32"]},
    "workspace": {
        "applyEdit": True,
        "configuration": True,
        "workspaceFolders": True,
        "didChangeConfiguration": {"dynamicRegistration": False},
        "didChangeWatchedFiles": {**_DYNAMIC, "relativePatternSupport": True},
        "workspaceEdit": {"resourceOperations": ["rename", "create", "delete"], "documentChanges": True},
        "symbol": {"dynamicRegistration": False, "symbolKind": _SYMBOL_KINDS},
        "semanticTokens": {"refreshSupport": True},
        "inlayHint": {"refreshSupport": True},
    },
    "textDocument": {
        "synchronization": {"didSave": True, "willSave": True, "willSaveWaitUntil": True},
        "completion": {
            "completionItem": {
                "snippetSupport": True,
                "documentationFormat": ["markdown", "plaintext"],
                "tagSupport": {"valueSet": [1]},
                "resolveSupport": {"properties": ["additionalTextEdits", "command"]},
            },
            "completionItemKind": {"valueSet": list(range(1, 26))},
            "completionList": {"itemDefaults": ["editRange", "insertTextFormat", "insertTextMode", "data"]},
            "contextSupport": True,
        },
        "hover": {**_DYNAMIC, "contentFormat": ["markdown", "plaintext"]},
        "signatureHelp": {
            "signatureInformation": {
                "activeParameterSupport": True,
                "parameterInformation": {"labelOffsetSupport": True},
            }
        },
        "definition": {**_DYNAMIC, "linkSupport": True},
        "references": _DYNAMIC,
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True, "symbolKind": _SYMBOL_KINDS},
        "codeAction": {
            **_DYNAMIC,
            "codeActionLiteralSupport": {
                "codeActionKind": {"valueSet": ["", "quickfix", "refactor", "source"]}
            },
            "isPreferredSupport": True,
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit", "command"]},
        },
        "formatting": _DYNAMIC,
        "rename": {**_DYNAMIC, "prepareSupport": True},
        "publishDiagnostics": {"relatedInformation": True, "tagSupport": {"valueSet": [1, 2]}},
        "diagnostic": _DYNAMIC,
    },
    "window": {"workDoneProgress": True, "showDocument": {"support": True}, "showMessage": {}},
    "experimental": {"cmt": {"status": True, "turn": True}},
}
