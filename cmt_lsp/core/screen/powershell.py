"""What Windows is asked, in the language of its own shell; every script prints a picture as base64, or a word on stderr.

Nothing of a person or a workspace is ever part of a script, and no file is written.
"""

from __future__ import annotations

import base64

NOTHING = "cmt-lsp: nothing was chosen"
NO_IMAGE = "cmt-lsp: no image"

_HEAD = """
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
Add-Type -AssemblyName System.Windows.Forms, System.Drawing
Add-Type -Namespace Cmt -Name Native -MemberDefinition @'
[DllImport("user32.dll")] public static extern bool SetProcessDPIAware();
[DllImport("user32.dll")] public static extern uint GetClipboardSequenceNumber();
[DllImport("user32.dll")] public static extern System.IntPtr GetForegroundWindow();
[DllImport("dwmapi.dll")] public static extern int DwmGetWindowAttribute(
    System.IntPtr window, int attribute, out Bounds bounds, int size);
public struct Bounds { public int Left, Top, Right, Bottom; }
'@
[void][Cmt.Native]::SetProcessDPIAware()
function Give($picture) {
    $memory = New-Object System.IO.MemoryStream
    $picture.Save($memory, [System.Drawing.Imaging.ImageFormat]::Png)
    [Console]::Out.Write([Convert]::ToBase64String($memory.ToArray()))
}
function Copy-Area($left, $top, $width, $height) {
    $picture = New-Object System.Drawing.Bitmap $width, $height
    $pen = [System.Drawing.Graphics]::FromImage($picture)
    $pen.CopyFromScreen($left, $top, 0, 0, $picture.Size)
    Give $picture
}
function Refuse($word) { [Console]::Error.Write($word); exit 3 }
"""

_SCREEN = """
$all = [System.Windows.Forms.SystemInformation]::VirtualScreen
Copy-Area $all.Left $all.Top $all.Width $all.Height
"""

# 9 is DWMWA_EXTENDED_FRAME_BOUNDS: the window without the invisible border that GetWindowRect counts
_WINDOW = """
$seen = New-Object Cmt.Native+Bounds
$failed = [Cmt.Native]::DwmGetWindowAttribute([Cmt.Native]::GetForegroundWindow(), 9, [ref]$seen, 16)
if ($failed) { Refuse 'no window is in front' }
Copy-Area $seen.Left $seen.Top ($seen.Right - $seen.Left) ($seen.Bottom - $seen.Top)
"""

# the system's own chooser hands its picture to the clipboard and to nobody else
_REGION = f"""
$before = [Cmt.Native]::GetClipboardSequenceNumber()
Start-Process 'ms-screenclip:'
$end = (Get-Date).AddSeconds(55)
while ((Get-Date) -lt $end) {{
    Start-Sleep -Milliseconds 100
    if ([Cmt.Native]::GetClipboardSequenceNumber() -ne $before -and
        [System.Windows.Forms.Clipboard]::ContainsImage()) {{
        Give ([System.Windows.Forms.Clipboard]::GetImage()); exit 0
    }}
}}
Refuse '{NOTHING}'
"""

_CLIPBOARD = f"""
if (-not [System.Windows.Forms.Clipboard]::ContainsImage()) {{ Refuse '{NO_IMAGE}' }}
Give ([System.Windows.Forms.Clipboard]::GetImage())
"""

SCRIPTS = {
    name: _HEAD + body
    for name, body in {
        "screen": _SCREEN,
        "window": _WINDOW,
        "region": _REGION,
        "clipboard": _CLIPBOARD,
    }.items()
}


def arguments(script: str) -> tuple[str, ...]:
    """The arguments that run one of `SCRIPTS`: encoded, so that no quoting can go wrong on the way.

    With an encoded command errors come as XML, unless text is asked for.
    """
    encoded = base64.b64encode(SCRIPTS[script].encode("utf-16-le")).decode("ascii")
    quiet = ("-NoLogo", "-NoProfile", "-NonInteractive", "-STA", "-OutputFormat", "Text")
    return (*quiet, "-EncodedCommand", encoded)
