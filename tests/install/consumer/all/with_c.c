#include <stdint.h>
#include <stdio.h>

#include "ivr/ivr.h"

int main(void) {
  uint8_t code = 0;
  const int16_t sample = 0;
  if (ivr_ulaw_encode(&code, &sample, 1) != IVR_OK || code != 0xff) return 1;
  printf("c %s\n", ivr_version());
  return 0;
}
