/* Where each field of ivr.h lies, on machines with 64-bit pointers: a program built against an older header
 * must find it there. Lines are added at the end of a struct's block when it grows; the size at a struct's
 * first release stays. */
#include <stddef.h>
#include <stdint.h>

#include "ivr/ivr.h"

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define SURE(condition) typedef char JOIN(sure_, __LINE__)[(condition) ? 1 : -1]
#define AT(type, field, offset) SURE(offsetof(type, field) == (offset))
#define LEAST(type, size) SURE(sizeof(type) >= (size))

#if UINTPTR_MAX == UINT64_MAX

SURE(sizeof(ivr_status) == 4);
SURE(IVR_OK == 0);
SURE(IVR_ECANCELLED == 1);
SURE(IVR_EINVALID == 3);
SURE(IVR_ETIMEOUT == 4);
SURE(IVR_ENOTFOUND == 5);
SURE(IVR_EEXHAUSTED == 8);
SURE(IVR_EPRECONDITION == 9);
SURE(IVR_EUNSUPPORTED == 12);
SURE(IVR_EINTERNAL == 13);
SURE(IVR_EUNAVAILABLE == 14);

LEAST(ivr_dtmf_detector_options, 32);
AT(ivr_dtmf_detector_options, struct_size, 0);
AT(ivr_dtmf_detector_options, floor_dbm0, 8);
AT(ivr_dtmf_detector_options, max_low_over_high_db, 16);
AT(ivr_dtmf_detector_options, max_high_over_low_db, 24);

LEAST(ivr_dtmf_event, 48);
AT(ivr_dtmf_event, struct_size, 0);
AT(ivr_dtmf_event, kind, 8);
AT(ivr_dtmf_event, digit, 12);
AT(ivr_dtmf_event, onset_samples, 16);
AT(ivr_dtmf_event, length_samples, 24);
AT(ivr_dtmf_event, low_dbm0, 32);
AT(ivr_dtmf_event, high_dbm0, 40);
SURE(IVR_DTMF_BEGAN == 1);
SURE(IVR_DTMF_ENDED == 2);

LEAST(ivr_dtmf_generator_options, 32);
AT(ivr_dtmf_generator_options, struct_size, 0);
AT(ivr_dtmf_generator_options, tone_ms, 8);
AT(ivr_dtmf_generator_options, pause_ms, 12);
AT(ivr_dtmf_generator_options, level_dbm0, 16);
AT(ivr_dtmf_generator_options, twist_db, 24);

#endif

int main(void) { return 0; } /* the compiler has checked it all */
