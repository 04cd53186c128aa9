/* The little that a C99 test needs. */
#ifndef IVR_TESTS_ABI_CHECK_H
#define IVR_TESTS_ABI_CHECK_H

#include <stdio.h>
#include <string.h>

#include "ivr/ivr.h"

static int failures = 0;

#define CHECK(condition)                                                                                \
  do {                                                                                                  \
    if (!(condition)) {                                                                                 \
      printf("%s:%d: %s is false; last error: %s\n", __FILE__, __LINE__, #condition, ivr_last_error()); \
      ++failures;                                                                                       \
    }                                                                                                   \
  } while (0)

/* Refused with this status, and the sentence speaks of `word`. */
#define REFUSED(call, status, word)                  \
  do {                                               \
    CHECK((call) == (status));                       \
    CHECK(strstr(ivr_last_error(), (word)) != NULL); \
  } while (0)

#endif
