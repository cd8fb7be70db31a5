"""How programs are compiled that must agree to the last bit: as users compile them, where the other tests do not."""

import os

# conftest chooses XLA's older emitters of fused code, which contract products and sums elsewhere.
EXACT = {"xla_cpu_use_fusion_emitters": True} if "fusion_emitters" in os.environ.get("XLA_FLAGS", "") else {}
