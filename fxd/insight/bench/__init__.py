"""Both engines, their forms and their rivals side by side: what `fxd bench` measures, keeps and compares."""
