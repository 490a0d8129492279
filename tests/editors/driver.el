;;; Evaluates the forms that a test sends, one a line; answers each with one line of JSON.  -*- lexical-binding: t -*-

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

(while t
  (let ((answer (bed-evaluate (read-from-minibuffer ""))))
    (princ (concat "\n#" answer "\n"))))
