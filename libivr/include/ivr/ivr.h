/* libivr in C: telephone calls answered by flows, keys heard and made, G.711.
 *
 * Link with `pkg-config --cflags --libs ivr`, or the CMake target ivr::c. docs/c-abi.md has the rules at
 * length:
 *
 *  - What can be refused returns an ivr_status; ivr_last_error() then says in words what, which value and
 * which limit.
 *  - Handles are made by _create or _load, into the first argument, which is NULL after a failure; _free
 * takes NULL.
 *  - Option structs begin with their size: start from the ..._INIT macro. They only grow, at the end.
 *  - Text is UTF-8, NUL-terminated, and copied in; what comes out goes into your buffer or lives as long as
 * its handle.
 *  - Events are pulled. No thread of the library ever runs your code.
 *  - Thread: "one" means one thread at a time for a handle, "any" all at once.
 */
#ifndef IVR_IVR_H
#define IVR_IVR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define IVR_API __attribute__((visibility("default")))
#else
#define IVR_API
#endif

/* ----------------------------------------------------------------------------- errors and version */

/* The canonical codes of RPC libraries, as far as a caller would act on them. */
typedef enum ivr_status {
  IVR_OK = 0,
  IVR_ECANCELLED = 1,    /* it was stopped, nothing more comes */
  IVR_EINVALID = 3,      /* an argument is wrong, and always will be */
  IVR_ETIMEOUT = 4,      /* nothing happened in the time given */
  IVR_ENOTFOUND = 5,     /* no such call, no event waits */
  IVR_EEXHAUSTED = 8,    /* a buffer, the memory, or a limit is too small */
  IVR_EPRECONDITION = 9, /* not in this state: start first, stopped already */
  IVR_EUNSUPPORTED = 12, /* this library was built without it */
  IVR_EINTERNAL = 13,    /* a defect of the library, or of what it stands on */
  IVR_EUNAVAILABLE = 14  /* the outside refuses: the port is taken, the disk is full; may work later */
} ivr_status;

/* Why the last call of this thread failed, in a sentence; "" before the first failure. Never NULL. Valid
 * until the next failure in the same thread. Thread: any. */
IVR_API const char* ivr_last_error(void);

/* "IVR_EINVALID" for IVR_EINVALID; "unknown" for a number that is none. Thread: any. */
IVR_API const char* ivr_status_name(ivr_status status);

/* "0.1.0", of the library that runs. Thread: any. */
IVR_API const char* ivr_version(void);

/* ------------------------------------------------------------------------------------------- G.711 */

/* `count` samples of 16 bits to as many bytes, and back (ITU-T G.711). Refuses only NULL with a count above
 * 0. Thread: any. Realtime: yes. */
IVR_API ivr_status ivr_ulaw_encode(uint8_t* codes, const int16_t* pcm, size_t count);
IVR_API ivr_status ivr_ulaw_decode(int16_t* pcm, const uint8_t* codes, size_t count);
IVR_API ivr_status ivr_alaw_encode(uint8_t* codes, const int16_t* pcm, size_t count);
IVR_API ivr_status ivr_alaw_decode(int16_t* pcm, const uint8_t* codes, size_t count);

/* -------------------------------------------------------------------------------------------- DTMF */

/* Hears keys in 8 kHz audio (ITU-T Q.24). Thread: one. Realtime: process, lost, finish and next_event neither
 * wait nor, while the events are pulled at least once a second of audio, allocate. */
typedef struct ivr_dtmf_detector ivr_dtmf_detector;

typedef struct ivr_dtmf_detector_options {
  size_t struct_size;
  double floor_dbm0;           /* a tone below this is none; -60 to -25 */
  double max_low_over_high_db; /* twist taken, 0 to 20 */
  double max_high_over_low_db; /* reverse twist taken, 0 to 20 */
} ivr_dtmf_detector_options;

#define IVR_DTMF_DETECTOR_OPTIONS_INIT \
  { sizeof(ivr_dtmf_detector_options), -42.0, 9.5, 6.5 }

enum { IVR_DTMF_BEGAN = 1, IVR_DTMF_ENDED = 2 };

typedef struct ivr_dtmf_event {
  size_t struct_size;         /* set by you: sizeof(ivr_dtmf_event) */
  int32_t kind;               /* IVR_DTMF_BEGAN is the moment to act */
  int32_t digit;              /* '0'-'9' '*' '#' 'A'-'D' */
  int64_t onset_samples;      /* since the detector was created, lost samples included */
  int64_t length_samples;     /* at IVR_DTMF_BEGAN as far as heard */
  double low_dbm0, high_dbm0; /* levels of the two tones */
} ivr_dtmf_event;

#define IVR_DTMF_EVENT_INIT \
  { sizeof(ivr_dtmf_event), 0, 0, 0, 0, 0, 0 }

IVR_API ivr_status ivr_dtmf_detector_create(ivr_dtmf_detector** detector,
                                            const ivr_dtmf_detector_options* options);
IVR_API void ivr_dtmf_detector_free(ivr_dtmf_detector* detector);

/* Any number of samples a call. */
IVR_API ivr_status ivr_dtmf_detector_process(ivr_dtmf_detector* detector, const int16_t* pcm, size_t count);

/* `count` samples were never received: a key that sounds goes on, for up to 200 ms. */
IVR_API ivr_status ivr_dtmf_detector_lost(ivr_dtmf_detector* detector, size_t count);

/* The audio is over: ends the key that sounds. */
IVR_API ivr_status ivr_dtmf_detector_finish(ivr_dtmf_detector* detector);

/* The oldest event not pulled yet; IVR_ENOTFOUND when none waits. */
IVR_API ivr_status ivr_dtmf_detector_next_event(ivr_dtmf_detector* detector, ivr_dtmf_event* event);

/* Makes keys as 8 kHz audio (ITU-T Q.23). Thread: one. Realtime: read. */
typedef struct ivr_dtmf_generator ivr_dtmf_generator;

typedef struct ivr_dtmf_generator_options {
  size_t struct_size;
  int32_t tone_ms;
  int32_t pause_ms;  /* after every key, also the last */
  double level_dbm0; /* of the low tone */
  double twist_db;   /* the high tone is so much louder */
} ivr_dtmf_generator_options;

#define IVR_DTMF_GENERATOR_OPTIONS_INIT \
  { sizeof(ivr_dtmf_generator_options), 100, 100, -9.0, 2.0 }

IVR_API ivr_status ivr_dtmf_generator_create(ivr_dtmf_generator** generator,
                                             const ivr_dtmf_generator_options* options);
IVR_API void ivr_dtmf_generator_free(ivr_dtmf_generator* generator);

/* Appends keys: 0-9 * # A-D, and w and W for half a second and a second of silence. All of them or none. */
IVR_API ivr_status ivr_dtmf_generator_dial(ivr_dtmf_generator* generator, const char* keys);

/* Fills all of `pcm`; `*played` (may be NULL) is how much of it was left to play, the rest is silence. */
IVR_API ivr_status ivr_dtmf_generator_read(ivr_dtmf_generator* generator, int16_t* pcm, size_t count,
                                           size_t* played);

/* ------------------------------------------------------------------------------------------- flows */

/* A flow document that was proven to be runnable (docs/flow-format.md). Thread: any; it never changes. An
 * engine keeps what it needs of it: you may free yours. */
typedef struct ivr_flow ivr_flow;

/* `json` need not end with NUL. IVR_EINVALID: ivr_last_error() lists every error, one a line. */
IVR_API ivr_status ivr_flow_load(ivr_flow** flow, const char* json, size_t length);
IVR_API void ivr_flow_free(ivr_flow* flow);

IVR_API const char* ivr_flow_id(const ivr_flow* flow); /* lives as long as the flow; "" for NULL */
IVR_API const char* ivr_flow_digest(
    const ivr_flow* flow); /* SHA-256 of what it says, 64 hex digits: its version */

/* All that is wrong or doubtful with a document, as JSON in your buffer, NUL-terminated:
 *   {"connections":9,"errors":1,"findings":[{"mend":"...","message":"...","pointer":"/nodes/a/next",
 *    "rule":"unknown-target","severity":"error"}],"nodes":7,"warnings":0}
 * IVR_OK also when there are errors: the check was made. `*length` (may be NULL) is how long the text is
 * without its NUL; IVR_EEXHAUSTED when `capacity` is not above that, nothing but an empty string is then
 * written. Asking with buffer NULL and capacity 0 tells the length. */
IVR_API ivr_status ivr_flow_check(char* buffer, size_t capacity, size_t* length, const char* json,
                                  size_t json_length);

#ifdef __cplusplus
}
#endif

#endif /* IVR_IVR_H */
