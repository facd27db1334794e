"""idset_encode(3): the manual's examples of valid input, decoded and encoded again."""

from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
from flux.idset import decode

for text in ("1,2,5,4", "1-4,7,9-10", "42", "[99-101]"):
    print(decode(text).encode(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS))
