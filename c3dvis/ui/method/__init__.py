"""The Method page: how a picture is made and measured, as in `docs/method.md`."""
