;;; Evaluates the forms that a test sends, one a line; answers each with one line of JSON.  -*- lexical-binding: t -*-

(require 'eglot)
(require 'json)

(defun bed-wait (holds)
  "Let the server speak until HOLDS returns something; that, or an error when it takes too long."
  (let ((end (+ (float-time) 20)) value)
    (while (not (setq value (funcall holds)))
      (when (> (float-time) end) (error "Waited in vain"))
      (accept-process-output nil 0.02))
    value))

(defun bed-evaluate (line)
  "The value of the form in LINE, or the error, as JSON; what JSON does not know is just true."
  (condition-case failure
      (let ((value (eval (car (read-from-string line)) t)))
        (bed-json :value (if (or (stringp value) (numberp value) (vectorp value)) value (and value t))))
    ((error quit) (bed-json :error (error-message-string failure)))))

(defun bed-json (&rest fields)
  "FIELDS as JSON."
  (decode-coding-string (json-serialize fields :null-object nil) 'utf-8))

(defun bed-open (file)
  "Show FILE, and let the server manage it."
  (find-file file)
  (unless (eglot-managed-p)
    (eglot-ensure)
    (run-hooks 'post-command-hook))  ; nobody types here
  (bed-wait #'eglot-managed-p))

(defun bed-titles (beg end)
  "What the menu offers for a region."
  (vconcat (mapcar (lambda (action) (plist-get action :title)) (eglot-code-actions beg end))))

(defun bed-choose (title beg end)
  "Choose the entry whose title begins with TITLE from the menu for a region."
  (eglot-execute (eglot-current-server)
                 (or (seq-find (lambda (action) (string-prefix-p title (plist-get action :title)))
                               (eglot-code-actions beg end))
                     (error "Not offered: %s; but: %s" title (bed-titles beg end)))))

(defun bed-idle ()
  "Tell the server of changes, as Eglot does when nobody types; without a screen nobody is ever idle."
  (run-hooks 'eglot--document-changed-hook))

(defun bed-heard (words)
  "Whether the server has said WORDS since the last `bed-forget'."
  (with-current-buffer (jsonrpc-events-buffer (eglot-current-server))
    (string-search words (buffer-string))))

(defun bed-forget ()
  "Begin a new account of what is said."
  (with-current-buffer (jsonrpc-events-buffer (eglot-current-server))
    (let ((inhibit-read-only t)) (erase-buffer))))

(defun bed-shown (words)
  "The text of the first window that shows WORDS."
  (seq-some (lambda (window)
              (with-current-buffer (window-buffer window)
                (let ((text (buffer-substring-no-properties (point-min) (point-max))))
                  (and (string-search words text) text))))
            (window-list)))

(while t
  (let ((answer (bed-evaluate (read-from-minibuffer ""))))
    (princ (concat "\n#" answer "\n"))))
