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

/* ------------------------------------------------------------------------------------------ engine */

/* The whole IVR: answers SIP calls on its extensions with flows, and makes calls. Thread: create, route,
 * start and free from one; next_event, originate, hang_up and the numbers from any between start and free;
 * stop from any, once. */
typedef struct ivr_engine ivr_engine;

typedef struct ivr_engine_options {
  size_t struct_size;
  const char* listen;                 /* IP address for SIP and RTP; NULL: 127.0.0.1 */
  const char* external_ip;            /* told to far peers (NAT), or "stun:HOST[:PORT]", a server that is
                                       * asked by start; NULL: listen */
  int32_t port;                       /* of SIP, UDP and TCP; 0: any free one, see ivr_engine_port() */
  int32_t rtp_port_min, rtp_port_max; /* RTP on even ports, RTCP on the next */
  int32_t media_threads;              /* 0: one a core */
  int32_t max_calls;                  /* at once, more get 503; 0: no limit */
  int32_t narrate;                    /* 1: the events from IVR_SAID on come too */
  const char* database;               /* SQLite file; NULL: nothing is kept */
  const char* recordings;             /* folder; NULL: the current one */
  const char* prompts;                /* folder of prompt files; NULL: the current one */
  const char* speech_cache;           /* folder for rendered speech; NULL: memory only */
  const char* language;               /* of prompts that name none; NULL: en */
  const char* auth_user;              /* digest, for calls we make; NULL: none */
  const char* auth_password;
} ivr_engine_options;

#define IVR_ENGINE_OPTIONS_INIT                                                                           \
  {                                                                                                       \
    sizeof(ivr_engine_options), NULL, NULL, 5060, 10000, 20000, 0, 2000, 0, NULL, NULL, NULL, NULL, NULL, \
        NULL, NULL                                                                                        \
  }

typedef struct ivr_route {
  size_t struct_size;
  const char* extension; /* "2001", a prefix "2*", or "*" for whatever no other route takes */
  const ivr_flow* flow;
  const char* variables; /* JSON object of what the flow starts with, over its defaults; NULL: none */
  int32_t record;        /* 1: the whole call, stereo */
  int32_t reserved;      /* 0 */
} ivr_route;

#define IVR_ROUTE_INIT \
  { sizeof(ivr_route), NULL, NULL, NULL, 0, 0 }

typedef struct ivr_outbound {
  size_t struct_size;
  const char* uri;       /* whom to call: sip:user@host:port */
  const char* from_uri;  /* NULL: sip:ivr@our-address */
  const ivr_flow* flow;  /* runs when they answer */
  const char* variables; /* as in ivr_route */
} ivr_outbound;

#define IVR_OUTBOUND_INIT \
  { sizeof(ivr_outbound), NULL, NULL, NULL, NULL }

/* What happened. New kinds will come: pass over those you do not know. */
enum {
  IVR_CALL_STARTED = 1,  /* text: the caller */
  IVR_CALL_ANSWERED = 2, /* text: empty */
  IVR_CALL_REFUSED = 3,  /* text: the reason; there is no call */
  IVR_CALL_ENDED =
      4,            /* text: the cause, "caller", "script", "system"...; detail: its record and RTP numbers */
  IVR_RECORDED = 5, /* text: the file */
  IVR_SAID = 6,     /* text: the words, secrets as *** */
  IVR_PRESSED = 7,  /* text: the key, ? when secret */
  IVR_NODE_ENTERED = 8,     /* text: the node */
  IVR_NODE_LEFT = 9,        /* text: the node */
  IVR_VARIABLE_SET = 10,    /* text: the name */
  IVR_LANGUAGE_CHOSEN = 11, /* text: the language */
  IVR_ROUTED = 12, /* text: what the router decided, "offer", "connect", "left"...; detail: the decision */
  IVR_REGISTERED = 13, /* text: the user; detail: how our registration elsewhere went */
  IVR_UNREADABLE = 14  /* text: what an earlier run had kept and is gone; detail: of which kind, and why */
};

/* Made by the library, freed by you, never changed. Strings are never NULL and live as long as the event. */
typedef struct ivr_event {
  size_t
      struct_size; /* as large as this library makes it: later fields are there when it reaches beyond them */
  int32_t kind;
  int32_t reserved;
  int64_t at_us;      /* microseconds since 1970, UTC */
  const char* call;   /* the call's id, or "" */
  const char* text;   /* the one thing most programs want to know, see above */
  const char* detail; /* all of it, a JSON object: docs/c-abi.md lists the members */
} ivr_event;

typedef struct ivr_engine_stats {
  size_t struct_size; /* set by you: sizeof(ivr_engine_stats) */
  int32_t calls, peak_calls;
  int32_t recovered_calls; /* open when the last run died, closed as "system" by start */
  int32_t reserved;
  uint64_t started, answered, ended, refused;
  uint64_t events_dropped;                /* nobody pulled: 65,536 are kept */
  uint64_t records_waiting, store_errors; /* not on disk yet; failed attempts to write */
} ivr_engine_stats;

#define IVR_ENGINE_STATS_INIT \
  { sizeof(ivr_engine_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Opens nothing yet. NULL for options: the defaults. */
IVR_API ivr_status ivr_engine_create(ivr_engine** engine, const ivr_engine_options* options);

/* Stops at once, if it runs. The events you have stay good. */
IVR_API void ivr_engine_free(ivr_engine* engine);

/* Before start. */
IVR_API ivr_status ivr_engine_route(ivr_engine* engine, const ivr_route* route);

/* Binds and listens. After a failure it may be tried again. */
IVR_API ivr_status ivr_engine_start(ivr_engine* engine);

/* The SIP port it listens on; 0 before start and for NULL. */
IVR_API int32_t ivr_engine_port(const ivr_engine* engine);

/* Waits at most `timeout_ms` (below 0: for as long as it takes). IVR_ETIMEOUT: nothing came. IVR_ECANCELLED:
 * the engine has stopped and all events have been pulled. Several threads may pull; each event goes to one.
 */
IVR_API ivr_status ivr_engine_next_event(ivr_engine* engine, int32_t timeout_ms, const ivr_event** event);
IVR_API void ivr_event_free(const ivr_event* event);

/* Room for a call's id and its NUL. */
#define IVR_CALL_ID_SIZE 64

/* Calls somebody. Writes the call's id into `call`, which has `capacity` bytes, at least IVR_CALL_ID_SIZE;
 * NULL and 0 if you do not want to know. IVR_CALL_ENDED comes in any case. */
IVR_API ivr_status ivr_engine_originate(ivr_engine* engine, char* call, size_t capacity,
                                        const ivr_outbound* outbound);

/* Asks for the end of a call; IVR_CALL_ENDED follows, with `reason` (may be NULL) as its cause. A call that
 * has ended meanwhile is no error. */
IVR_API ivr_status ivr_engine_hang_up(ivr_engine* engine, const char* call, const char* reason);

IVR_API ivr_status ivr_engine_read_stats(ivr_engine* engine, ivr_engine_stats* stats);

/* New calls are refused, those in progress may end by themselves within `grace_ms`, then they are ended; all
 * is written before it returns. An engine does not start again. */
IVR_API ivr_status ivr_engine_stop(ivr_engine* engine, int32_t grace_ms);

#ifdef __cplusplus
}
#endif

#endif /* IVR_IVR_H */
