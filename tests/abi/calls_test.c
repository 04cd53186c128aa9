/* Calls every function of ivr.h but the engine's as a C99 program would: as meant, and with NULL, wrong sizes
 * and in the wrong order. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"

static void test_words(void) {
  static const struct {
    ivr_status status;
    const char* name;
  } names[] = {{IVR_OK, "IVR_OK"},
               {IVR_ECANCELLED, "IVR_ECANCELLED"},
               {IVR_EINVALID, "IVR_EINVALID"},
               {IVR_ETIMEOUT, "IVR_ETIMEOUT"},
               {IVR_ENOTFOUND, "IVR_ENOTFOUND"},
               {IVR_EEXHAUSTED, "IVR_EEXHAUSTED"},
               {IVR_EPRECONDITION, "IVR_EPRECONDITION"},
               {IVR_EUNSUPPORTED, "IVR_EUNSUPPORTED"},
               {IVR_EINTERNAL, "IVR_EINTERNAL"},
               {IVR_EUNAVAILABLE, "IVR_EUNAVAILABLE"},
               {(ivr_status)7, "unknown"}};
  size_t i;
  CHECK(strcmp(ivr_last_error(), "") == 0); /* nothing has failed yet */
  CHECK(strcmp(ivr_version(), IVR_TEST_VERSION) == 0);
  for (i = 0; i < sizeof names / sizeof *names; ++i)
    CHECK(strcmp(ivr_status_name(names[i].status), names[i].name) == 0);
}

static void test_g711(void) {
  int16_t pcm[256], again[256];
  uint8_t codes[256];
  int i;
  for (i = 0; i < 256; ++i) codes[i] = (uint8_t)i;
  CHECK(ivr_ulaw_decode(pcm, codes, 256) == IVR_OK);
  CHECK(pcm[0x80] == 32124 && pcm[0x00] == -32124 && pcm[0xff] == 0); /* G.711, table 2 */
  CHECK(ivr_ulaw_encode(codes, pcm, 256) == IVR_OK);
  CHECK(ivr_ulaw_decode(again, codes, 256) == IVR_OK);
  CHECK(memcmp(pcm, again, sizeof pcm) == 0);

  for (i = 0; i < 256; ++i) codes[i] = (uint8_t)i;
  CHECK(ivr_alaw_decode(pcm, codes, 256) == IVR_OK);
  CHECK(pcm[0xaa] == 32256 && pcm[0x2a] == -32256 && pcm[0xd5] == 8);
  CHECK(ivr_alaw_encode(codes, pcm, 256) == IVR_OK);
  for (i = 0; i < 256; ++i) CHECK(codes[i] == i);

  CHECK(ivr_ulaw_encode(NULL, NULL, 0) == IVR_OK);
  REFUSED(ivr_ulaw_encode(NULL, pcm, 1), IVR_EINVALID, "codes");
  REFUSED(ivr_ulaw_encode(codes, NULL, 1), IVR_EINVALID, "pcm");
  REFUSED(ivr_ulaw_decode(NULL, codes, 1), IVR_EINVALID, "pcm");
  REFUSED(ivr_ulaw_decode(pcm, NULL, 1), IVR_EINVALID, "codes");
  REFUSED(ivr_alaw_encode(NULL, pcm, 1), IVR_EINVALID, "codes");
  REFUSED(ivr_alaw_decode(pcm, NULL, 1), IVR_EINVALID, "codes");
}

/* All keys, made and heard again. */
static void test_dtmf(void) {
  static const char keys[] = "123A456B789C*0#D";
  ivr_dtmf_generator* generator = NULL;
  ivr_dtmf_detector* detector = NULL;
  ivr_dtmf_event event = IVR_DTMF_EVENT_INIT;
  char heard[sizeof keys] = "";
  size_t began = 0, ended = 0, played = 1, total = 0;
  int16_t pcm[160];

  CHECK(ivr_dtmf_generator_create(&generator, NULL) == IVR_OK);
  CHECK(ivr_dtmf_detector_create(&detector, NULL) == IVR_OK);
  CHECK(ivr_dtmf_generator_dial(generator, keys) == IVR_OK);
  REFUSED(ivr_dtmf_detector_next_event(detector, &event), IVR_ENOTFOUND, "no event");
  while (played > 0 && total < 16 * 1600 + 160) {
    CHECK(ivr_dtmf_generator_read(generator, pcm, 160, &played) == IVR_OK);
    CHECK(ivr_dtmf_detector_process(detector, pcm, 160) == IVR_OK);
    total += played;
    while (ivr_dtmf_detector_next_event(detector, &event) == IVR_OK) {
      if (event.kind == IVR_DTMF_BEGAN && began < sizeof keys - 1) {
        CHECK(event.onset_samples >= (int64_t)began * 1600 - 80 &&
              event.onset_samples <= (int64_t)began * 1600 + 80);
        CHECK(event.low_dbm0 > -10 && event.low_dbm0 < -8 && event.high_dbm0 > -8 && event.high_dbm0 < -6);
        heard[began++] = (char)event.digit;
      } else if (event.kind == IVR_DTMF_ENDED) {
        CHECK(event.length_samples > 720 && event.length_samples < 880);
        ++ended;
      }
    }
  }
  CHECK(total == 16 * 1600);
  CHECK(strcmp(heard, keys) == 0);
  CHECK(ended == 16);

  /* A key that is cut off ends with finish; a hole inside it is bridged. */
  CHECK(ivr_dtmf_generator_dial(generator, "5") == IVR_OK);
  CHECK(ivr_dtmf_generator_read(generator, pcm, 160, NULL) == IVR_OK);
  CHECK(ivr_dtmf_detector_process(detector, pcm, 160) == IVR_OK);
  CHECK(ivr_dtmf_generator_read(generator, pcm, 160, NULL) == IVR_OK);
  CHECK(ivr_dtmf_detector_process(detector, pcm, 160) == IVR_OK);
  CHECK(ivr_dtmf_detector_lost(detector, 80) == IVR_OK);
  CHECK(ivr_dtmf_detector_finish(detector) == IVR_OK);
  CHECK(ivr_dtmf_detector_next_event(detector, &event) == IVR_OK && event.kind == IVR_DTMF_BEGAN &&
        event.digit == '5');
  CHECK(ivr_dtmf_detector_next_event(detector, &event) == IVR_OK && event.kind == IVR_DTMF_ENDED &&
        event.digit == '5');

  REFUSED(ivr_dtmf_generator_dial(generator, "12E"), IVR_EINVALID, "E");
  REFUSED(ivr_dtmf_generator_dial(generator, NULL), IVR_EINVALID, "keys");
  REFUSED(ivr_dtmf_generator_dial(NULL, "1"), IVR_EINVALID, "generator");
  REFUSED(ivr_dtmf_generator_read(NULL, pcm, 160, &played), IVR_EINVALID, "generator");
  REFUSED(ivr_dtmf_generator_read(generator, NULL, 160, &played), IVR_EINVALID, "pcm");
  REFUSED(ivr_dtmf_detector_process(NULL, pcm, 160), IVR_EINVALID, "detector");
  REFUSED(ivr_dtmf_detector_process(detector, NULL, 160), IVR_EINVALID, "pcm");
  REFUSED(ivr_dtmf_detector_lost(NULL, 1), IVR_EINVALID, "detector");
  REFUSED(ivr_dtmf_detector_lost(detector, (size_t)-1), IVR_EINVALID, "count");
  REFUSED(ivr_dtmf_detector_finish(NULL), IVR_EINVALID, "detector");
  REFUSED(ivr_dtmf_detector_next_event(NULL, &event), IVR_EINVALID, "detector");
  REFUSED(ivr_dtmf_detector_next_event(detector, NULL), IVR_EINVALID, "event");
  ivr_dtmf_detector_free(detector);
  ivr_dtmf_generator_free(generator);
  ivr_dtmf_detector_free(NULL);
  ivr_dtmf_generator_free(NULL);
}

/* Structs of older and newer programs, and of confused ones. */
static void test_struct_sizes(void) {
  struct {
    ivr_dtmf_detector_options known;
    uint64_t later[2];
  } newer = {IVR_DTMF_DETECTOR_OPTIONS_INIT, {0, 0}};
  struct {
    ivr_dtmf_event known;
    uint64_t later;
  } event = {IVR_DTMF_EVENT_INIT, 7};
  static const size_t wrong[] = {0, 1, 31, 4097, (size_t)-1};
  ivr_dtmf_detector_options options = IVR_DTMF_DETECTOR_OPTIONS_INIT;
  ivr_dtmf_generator_options tone = IVR_DTMF_GENERATOR_OPTIONS_INIT;
  ivr_dtmf_detector* detector = NULL;
  ivr_dtmf_generator* generator = NULL;
  int16_t pcm[1600];
  size_t i;

  for (i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    options.struct_size = wrong[i];
    detector = (ivr_dtmf_detector*)&options;
    REFUSED(ivr_dtmf_detector_create(&detector, &options), IVR_EINVALID, "struct_size");
    CHECK(detector == NULL);
    tone.struct_size = wrong[i];
    REFUSED(ivr_dtmf_generator_create(&generator, &tone), IVR_EINVALID, "struct_size");
  }
  REFUSED(ivr_dtmf_detector_create(NULL, NULL), IVR_EINVALID, "detector");
  REFUSED(ivr_dtmf_generator_create(NULL, NULL), IVR_EINVALID, "generator");

  options.struct_size = sizeof options;
  options.floor_dbm0 = 0;
  REFUSED(ivr_dtmf_detector_create(&detector, &options), IVR_EINVALID, "floor");
  tone.struct_size = sizeof tone;
  tone.tone_ms = 1;
  REFUSED(ivr_dtmf_generator_create(&generator, &tone), IVR_EINVALID, "1 ms");
  tone.tone_ms = 50;
  CHECK(ivr_dtmf_generator_create(&generator, &tone) == IVR_OK);

  newer.known.struct_size = sizeof newer;
  newer.later[1] = 1;
  REFUSED(ivr_dtmf_detector_create(&detector, &newer.known), IVR_EINVALID, "does not know");
  newer.later[1] = 0;
  CHECK(ivr_dtmf_detector_create(&detector, &newer.known) == IVR_OK);

  CHECK(ivr_dtmf_generator_dial(generator, "1") == IVR_OK);
  CHECK(ivr_dtmf_generator_read(generator, pcm, 1600, NULL) == IVR_OK);
  CHECK(ivr_dtmf_detector_process(detector, pcm, 1600) == IVR_OK);
  for (i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    event.known.struct_size = wrong[i];
    REFUSED(ivr_dtmf_detector_next_event(detector, &event.known), IVR_EINVALID, "struct_size");
  }
  event.known.struct_size = sizeof event;
  CHECK(ivr_dtmf_detector_next_event(detector, &event.known) == IVR_OK); /* a refusal loses no event */
  CHECK(event.known.digit == '1' && event.known.struct_size == sizeof event && event.later == 0);
  ivr_dtmf_detector_free(detector);
  ivr_dtmf_generator_free(generator);
}

static const char kFlow[] =
    "{\"ivr\":1,\"id\":\"hello\",\"start\":\"a\",\"on_error\":\"z\",\"nodes\":{"
    "\"a\":{\"type\":\"play\",\"say\":\"Hello.\",\"next\":\"z\"},\"z\":{\"type\":\"hangup\"}}}";
static const char kBroken[] =
    "{\"ivr\":1,\"id\":\"hello\",\"start\":\"a\",\"on_error\":\"z\",\"nodes\":{"
    "\"a\":{\"type\":\"play\",\"say\":\"Hello.\",\"next\":\"y\"},\"z\":{\"type\":\"hangup\"}}}";

static void test_flow(void) {
  ivr_flow* flow = NULL;
  size_t length = 0, again = 0;
  char* text;
  char small[8] = "1234567";

  CHECK(ivr_flow_load(&flow, kFlow, strlen(kFlow)) == IVR_OK);
  CHECK(strcmp(ivr_flow_id(flow), "hello") == 0);
  CHECK(strlen(ivr_flow_digest(flow)) == 64);
  ivr_flow_free(flow);
  ivr_flow_free(NULL);
  CHECK(strcmp(ivr_flow_id(NULL), "") == 0);
  CHECK(strcmp(ivr_flow_digest(NULL), "") == 0);

  REFUSED(ivr_flow_load(&flow, kBroken, strlen(kBroken)), IVR_EINVALID, "/nodes/a/next");
  CHECK(flow == NULL);
  CHECK(ivr_flow_load(&flow, kFlow, strlen(kFlow) - 1) == IVR_EINVALID);
  CHECK(ivr_flow_load(&flow, "", 0) == IVR_EINVALID);
  REFUSED(ivr_flow_load(&flow, NULL, 0), IVR_EINVALID, "json");
  REFUSED(ivr_flow_load(NULL, kFlow, strlen(kFlow)), IVR_EINVALID, "flow");

  REFUSED(ivr_flow_check(NULL, 0, &length, kBroken, strlen(kBroken)), IVR_EEXHAUSTED, "capacity");
  CHECK(length > 0);
  text = malloc(length + 1);
  CHECK(text != NULL);
  if (text == NULL) return;
  CHECK(ivr_flow_check(text, length, &again, kBroken, strlen(kBroken)) == IVR_EEXHAUSTED && again == length);
  CHECK(ivr_flow_check(text, length + 1, NULL, kBroken, strlen(kBroken)) == IVR_OK);
  CHECK(strlen(text) == length);
  CHECK(strstr(text, "\"errors\":1") != NULL || strstr(text, "\"errors\":2") != NULL);
  CHECK(strstr(text, "\"pointer\":\"/nodes/a/next\"") != NULL);
  CHECK(strstr(text, "\"rule\":\"unknown-target\"") != NULL);
  free(text);
  CHECK(ivr_flow_check(small, sizeof small, &length, kFlow, strlen(kFlow)) == IVR_EEXHAUSTED &&
        small[0] == '\0');
  REFUSED(ivr_flow_check(NULL, 100, NULL, kFlow, strlen(kFlow)), IVR_EINVALID, "buffer");
  REFUSED(ivr_flow_check(small, sizeof small, NULL, NULL, 0), IVR_EINVALID, "json");
}

int main(void) {
  test_words();
  test_g711();
  test_dtmf();
  test_struct_sizes();
  test_flow();
  if (failures > 0) printf("%d checks failed\n", failures);
  return failures > 0 ? 1 : 0;
}
