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

LEAST(ivr_engine_options, 104);
AT(ivr_engine_options, struct_size, 0);
AT(ivr_engine_options, listen, 8);
AT(ivr_engine_options, external_ip, 16);
AT(ivr_engine_options, port, 24);
AT(ivr_engine_options, rtp_port_min, 28);
AT(ivr_engine_options, rtp_port_max, 32);
AT(ivr_engine_options, media_threads, 36);
AT(ivr_engine_options, max_calls, 40);
AT(ivr_engine_options, narrate, 44);
AT(ivr_engine_options, database, 48);
AT(ivr_engine_options, recordings, 56);
AT(ivr_engine_options, prompts, 64);
AT(ivr_engine_options, speech_cache, 72);
AT(ivr_engine_options, language, 80);
AT(ivr_engine_options, auth_user, 88);
AT(ivr_engine_options, auth_password, 96);

LEAST(ivr_route, 40);
AT(ivr_route, struct_size, 0);
AT(ivr_route, extension, 8);
AT(ivr_route, flow, 16);
AT(ivr_route, variables, 24);
AT(ivr_route, record, 32);
AT(ivr_route, reserved, 36);

LEAST(ivr_outbound, 40);
AT(ivr_outbound, struct_size, 0);
AT(ivr_outbound, uri, 8);
AT(ivr_outbound, from_uri, 16);
AT(ivr_outbound, flow, 24);
AT(ivr_outbound, variables, 32);

LEAST(ivr_event, 48);
AT(ivr_event, struct_size, 0);
AT(ivr_event, kind, 8);
AT(ivr_event, reserved, 12);
AT(ivr_event, at_us, 16);
AT(ivr_event, call, 24);
AT(ivr_event, text, 32);
AT(ivr_event, detail, 40);
SURE(IVR_CALL_STARTED == 1);
SURE(IVR_CALL_ANSWERED == 2);
SURE(IVR_CALL_REFUSED == 3);
SURE(IVR_CALL_ENDED == 4);
SURE(IVR_RECORDED == 5);
SURE(IVR_SAID == 6);
SURE(IVR_PRESSED == 7);
SURE(IVR_NODE_ENTERED == 8);
SURE(IVR_NODE_LEFT == 9);
SURE(IVR_VARIABLE_SET == 10);
SURE(IVR_LANGUAGE_CHOSEN == 11);
SURE(IVR_ROUTED == 12);
SURE(IVR_REGISTERED == 13);
SURE(IVR_UNREADABLE == 14);
SURE(IVR_CALL_ID_SIZE == 64);

LEAST(ivr_engine_stats, 80);
AT(ivr_engine_stats, struct_size, 0);
AT(ivr_engine_stats, calls, 8);
AT(ivr_engine_stats, peak_calls, 12);
AT(ivr_engine_stats, recovered_calls, 16);
AT(ivr_engine_stats, reserved, 20);
AT(ivr_engine_stats, started, 24);
AT(ivr_engine_stats, answered, 32);
AT(ivr_engine_stats, ended, 40);
AT(ivr_engine_stats, refused, 48);
AT(ivr_engine_stats, events_dropped, 56);
AT(ivr_engine_stats, records_waiting, 64);
AT(ivr_engine_stats, store_errors, 72);

#endif

int main(void) { return 0; } /* the compiler has checked it all */
