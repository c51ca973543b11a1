"""Index kinds behind the protocols of `base.py`; `registry.py` names them."""
