"""Who may do what on a public server.

`claims` checks what the sign-in says of a visitor, `visitors` decides what each may do, `sign_in` knows the visitor of
the running page, `gate` refuses requests before they reach Streamlit, `return_path` leads back to the page after a
sign-in, and `public_checks` finds what is still open.

On a dashboard of mode *local* everybody may do everything.
"""
