/* The engine from C: one engine calls another over real SIP and RTP on 127.0.0.1; then everything that can be
 * asked wrongly, in the wrong order, and with nothing. Every wait has a bound. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"

enum { kPatience = 20000 }; /* ms for one event: a bound, not an expectation */

static const char kGreeter[] =
    "{\"ivr\":1,\"id\":\"greeter\",\"start\":\"a\",\"on_error\":\"z\","
    "\"variables\":{\"guest\":\"nobody\"},\"nodes\":{"
    "\"a\":{\"type\":\"play\",\"say\":[{\"tone\":\"beep\"},{\"silence\":\"200ms\"}],\"next\":\"z\"},"
    "\"z\":{\"type\":\"hangup\"}}}";
static const char kListener[] =
    "{\"ivr\":1,\"id\":\"listener\",\"start\":\"a\",\"on_error\":\"z\",\"nodes\":{"
    "\"a\":{\"type\":\"play\",\"say\":{\"silence\":\"30s\"},\"next\":\"z\"},\"z\":{\"type\":\"hangup\"}}}";

static ivr_flow* load(const char* json) {
  ivr_flow* flow = NULL;
  CHECK(ivr_flow_load(&flow, json, strlen(json)) == IVR_OK);
  return flow;
}

static ivr_engine* create(ivr_flow* flow) {
  ivr_engine_options options = IVR_ENGINE_OPTIONS_INIT;
  ivr_route route = IVR_ROUTE_INIT;
  ivr_engine* engine = NULL;
  options.port = 0;
  options.media_threads = 1;
  options.narrate = 1;
  CHECK(ivr_engine_create(&engine, &options) == IVR_OK);
  if (flow == NULL) return engine;
  route.extension = "2001";
  route.flow = flow;
  route.variables = "{\"guest\":\"C\"}";
  CHECK(ivr_engine_route(engine, &route) == IVR_OK);
  return engine;
}

/* The next event of this kind, or NULL when it does not come; the others are passed over. */
static const ivr_event* await_kind(ivr_engine* engine, int32_t kind) {
  const ivr_event* event = NULL;
  while (ivr_engine_next_event(engine, kPatience, &event) == IVR_OK) {
    CHECK(event->struct_size >= sizeof(ivr_event));
    CHECK(event->call != NULL && event->text != NULL && event->detail != NULL && event->at_us > 0);
    if (event->kind == kind) return event;
    ivr_event_free(event);
  }
  printf("no event of kind %d: %s\n", (int)kind, ivr_last_error());
  ++failures;
  return NULL;
}

/* As await_kind(), and its text and some words of its detail are these. */
static void expect(ivr_engine* engine, int32_t kind, const char* text, const char* detail) {
  const ivr_event* event = await_kind(engine, kind);
  if (event == NULL) return;
  if (strcmp(event->text, text) != 0 || strstr(event->detail, detail) == NULL) {
    printf("kind %d: expected '%s' and '%s', got '%s' and %s\n", (int)kind, text, detail, event->text,
           event->detail);
    ++failures;
  }
  ivr_event_free(event);
}

static void test_a_call(void) {
  ivr_flow *greeter = load(kGreeter), *listener = load(kListener);
  ivr_engine *server = create(greeter), *client = create(NULL);
  ivr_engine_stats stats = IVR_ENGINE_STATS_INIT;
  ivr_outbound outbound = IVR_OUTBOUND_INIT;
  const ivr_event* event;
  char uri[64], call[IVR_CALL_ID_SIZE] = "";

  ivr_flow_free(greeter); /* the engine has its own */
  CHECK(ivr_engine_start(server) == IVR_OK);
  CHECK(ivr_engine_start(client) == IVR_OK);
  CHECK(ivr_engine_port(server) > 0 && ivr_engine_port(server) != ivr_engine_port(client));
  sprintf(uri, "sip:2001@127.0.0.1:%d", (int)ivr_engine_port(server));
  outbound.uri = uri;
  outbound.flow = listener;
  CHECK(ivr_engine_originate(client, call, sizeof call, &outbound) == IVR_OK);
  CHECK(strlen(call) > 0);

  expect(server, IVR_CALL_STARTED, "ivr", "\"called\":\"2001\"");
  expect(server, IVR_CALL_ANSWERED, "", "{}");
  expect(server, IVR_NODE_ENTERED, "a", "\"type\":\"play\"");
  expect(server, IVR_SAID, "[beep]", "\"text\":\"[beep]\"");
  expect(server, IVR_NODE_LEFT, "a", "\"exit\":\"next\"");
  expect(server, IVR_CALL_ENDED, "script", "\"guest\":\"C\"");
  event = await_kind(client, IVR_CALL_ENDED);
  CHECK(event != NULL && strcmp(event->call, call) == 0 && strstr(event->detail, "\"outbound\"") != NULL);
  ivr_event_free(event);
  CHECK(ivr_engine_read_stats(server, &stats) == IVR_OK);
  CHECK(stats.started == 1 && stats.answered == 1 && stats.ended == 1 && stats.calls == 0 &&
        stats.peak_calls == 1);

  /* Hung up from outside, by the side that called. */
  CHECK(ivr_engine_originate(client, call, sizeof call, &outbound) == IVR_OK);
  ivr_event_free(await_kind(client, IVR_CALL_ANSWERED));
  CHECK(ivr_engine_hang_up(client, call, "enough") == IVR_OK);
  expect(client, IVR_CALL_ENDED, "enough", "\"status\"");
  expect(server, IVR_CALL_ENDED, "caller", "\"record\"");

  /* Nobody answers 3000. */
  sprintf(uri, "sip:3000@127.0.0.1:%d", (int)ivr_engine_port(server));
  CHECK(ivr_engine_originate(client, NULL, 0, &outbound) == IVR_OK);
  event = await_kind(server, IVR_CALL_REFUSED);
  CHECK(event != NULL && strcmp(event->call, "") == 0 && strstr(event->detail, "\"status\":404") != NULL);
  ivr_event_free(event);
  ivr_event_free(await_kind(client, IVR_CALL_ENDED));

  CHECK(ivr_engine_stop(client, 0) == IVR_OK);
  REFUSED(ivr_engine_next_event(client, kPatience, &event), IVR_ECANCELLED, "stopped");
  REFUSED(ivr_engine_next_event(client, -1, &event), IVR_ECANCELLED, "stopped");
  CHECK(event == NULL);
  REFUSED(ivr_engine_stop(client, 0), IVR_EPRECONDITION, "already");
  REFUSED(ivr_engine_start(client), IVR_EPRECONDITION, "already");
  CHECK(ivr_engine_originate(client, call, sizeof call, &outbound) != IVR_OK && call[0] == '\0');
  ivr_engine_free(client);
  ivr_engine_free(server); /* stops it */
  ivr_flow_free(listener);
}

static void test_order(void) {
  ivr_flow* flow = load(kGreeter);
  ivr_engine *engine = create(flow), *second = NULL;
  ivr_engine_options options = IVR_ENGINE_OPTIONS_INIT;
  ivr_engine_stats stats = IVR_ENGINE_STATS_INIT;
  ivr_outbound outbound = IVR_OUTBOUND_INIT;
  ivr_route route = IVR_ROUTE_INIT;
  const ivr_event* event = (const ivr_event*)&stats;
  char call[IVR_CALL_ID_SIZE];

  CHECK(ivr_engine_port(engine) == 0);
  REFUSED(ivr_engine_next_event(engine, 0, &event), IVR_EPRECONDITION, "not been started");
  CHECK(event == NULL);
  outbound.uri = "sip:a@127.0.0.1:9";
  outbound.flow = flow;
  REFUSED(ivr_engine_originate(engine, call, sizeof call, &outbound), IVR_EPRECONDITION, "not been started");
  REFUSED(ivr_engine_hang_up(engine, "x", NULL), IVR_EPRECONDITION, "not been started");
  REFUSED(ivr_engine_read_stats(engine, &stats), IVR_EPRECONDITION, "not been started");
  REFUSED(ivr_engine_stop(engine, 0), IVR_EPRECONDITION, "not been started");

  CHECK(ivr_engine_start(engine) == IVR_OK);
  REFUSED(ivr_engine_start(engine), IVR_EPRECONDITION, "already");
  route.extension = "2002";
  route.flow = flow;
  REFUSED(ivr_engine_route(engine, &route), IVR_EPRECONDITION, "before");
  REFUSED(ivr_engine_next_event(engine, 0, &event), IVR_ETIMEOUT, "no event");
  CHECK(ivr_engine_hang_up(engine, "no such call", "x") == IVR_OK);
  REFUSED(ivr_engine_originate(engine, call, 8, &outbound), IVR_EEXHAUSTED, "IVR_CALL_ID_SIZE");
  outbound.variables = "[1]";
  REFUSED(ivr_engine_originate(engine, call, sizeof call, &outbound), IVR_EINVALID, "JSON object");

  /* The port is taken; once it is free, the same engine starts. */
  options.port = ivr_engine_port(engine);
  CHECK(ivr_engine_create(&second, &options) == IVR_OK);
  CHECK(ivr_engine_start(second) != IVR_OK && ivr_engine_port(second) == 0);
  ivr_engine_free(engine);
  CHECK(ivr_engine_start(second) == IVR_OK);
  CHECK(ivr_engine_port(second) == options.port);
  ivr_engine_free(second);
  ivr_flow_free(flow);
}

static void test_options(void) {
  static const size_t wrong[] = {0, 8, 4097, (size_t)-1};
  ivr_flow* flow = load(kGreeter);
  ivr_engine_options options = IVR_ENGINE_OPTIONS_INIT;
  ivr_route route = IVR_ROUTE_INIT;
  ivr_outbound outbound = IVR_OUTBOUND_INIT;
  ivr_engine_stats stats = IVR_ENGINE_STATS_INIT;
  ivr_engine* engine = NULL;
  const ivr_event* event = NULL;
  size_t i;

  for (i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    options.struct_size = wrong[i];
    REFUSED(ivr_engine_create(&engine, &options), IVR_EINVALID, "ivr_engine_options.struct_size");
    CHECK(engine == NULL);
  }
  options.struct_size = sizeof options;
  options.port = 65536;
  REFUSED(ivr_engine_create(&engine, &options), IVR_EINVALID, "port is 65536");
  options.port = 0;
  options.rtp_port_max = options.rtp_port_min;
  REFUSED(ivr_engine_create(&engine, &options), IVR_EINVALID, "rtp_port_max");
  options.rtp_port_max = 20000;
  options.narrate = 2;
  REFUSED(ivr_engine_create(&engine, &options), IVR_EINVALID, "narrate");
  options.narrate = 0;
  options.max_calls = -1;
  REFUSED(ivr_engine_create(&engine, &options), IVR_EINVALID, "max_calls");
  options.max_calls = 0;
  options.media_threads = -1;
  REFUSED(ivr_engine_create(&engine, &options), IVR_EINVALID, "media_threads");
  options.media_threads = 1;
  REFUSED(ivr_engine_create(NULL, &options), IVR_EINVALID, "engine");
  CHECK(ivr_engine_create(&engine, &options) == IVR_OK);

  for (i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    route.struct_size = wrong[i];
    REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "ivr_route.struct_size");
  }
  route.struct_size = sizeof route;
  REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "extension");
  route.extension = "2*1";
  REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "flow");
  route.flow = flow;
  REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "2*1");
  route.extension = "2*";
  route.variables = "nonsense";
  REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "nonsense");
  route.variables = NULL;
  route.record = 2;
  REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "record");
  route.record = 0;
  route.reserved = 1;
  REFUSED(ivr_engine_route(engine, &route), IVR_EINVALID, "reserved");
  route.reserved = 0;
  CHECK(ivr_engine_route(engine, &route) == IVR_OK);
  REFUSED(ivr_engine_route(engine, NULL), IVR_EINVALID, "route");
  REFUSED(ivr_engine_route(NULL, &route), IVR_EINVALID, "engine");

  CHECK(ivr_engine_start(engine) == IVR_OK);
  for (i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    stats.struct_size = wrong[i];
    REFUSED(ivr_engine_read_stats(engine, &stats), IVR_EINVALID, "ivr_engine_stats.struct_size");
    outbound.struct_size = wrong[i];
    REFUSED(ivr_engine_originate(engine, NULL, 0, &outbound), IVR_EINVALID, "ivr_outbound.struct_size");
  }
  outbound.struct_size = sizeof outbound;
  REFUSED(ivr_engine_originate(engine, NULL, 0, &outbound), IVR_EINVALID, "uri");
  outbound.uri = "sip:a@127.0.0.1:9";
  REFUSED(ivr_engine_originate(engine, NULL, 0, &outbound), IVR_EINVALID, "flow");
  REFUSED(ivr_engine_originate(engine, NULL, 1, &outbound), IVR_EINVALID, "call");
  REFUSED(ivr_engine_originate(engine, NULL, 0, NULL), IVR_EINVALID, "outbound");
  REFUSED(ivr_engine_originate(NULL, NULL, 0, &outbound), IVR_EINVALID, "engine");
  REFUSED(ivr_engine_next_event(engine, 0, NULL), IVR_EINVALID, "event");
  REFUSED(ivr_engine_next_event(NULL, 0, &event), IVR_EINVALID, "engine");
  REFUSED(ivr_engine_hang_up(NULL, "x", NULL), IVR_EINVALID, "engine");
  REFUSED(ivr_engine_hang_up(engine, NULL, NULL), IVR_EINVALID, "call");
  REFUSED(ivr_engine_read_stats(engine, NULL), IVR_EINVALID, "stats");
  REFUSED(ivr_engine_read_stats(NULL, &stats), IVR_EINVALID, "engine");
  REFUSED(ivr_engine_stop(engine, -1), IVR_EINVALID, "grace_ms is -1");
  REFUSED(ivr_engine_stop(NULL, 0), IVR_EINVALID, "engine");
  REFUSED(ivr_engine_start(NULL), IVR_EINVALID, "engine");
  CHECK(ivr_engine_port(NULL) == 0);
  ivr_event_free(NULL);
  ivr_engine_free(NULL);
  ivr_engine_free(engine);
  ivr_flow_free(flow);
}

int main(void) {
  test_a_call();
  test_order();
  test_options();
  if (failures > 0) printf("%d checks failed\n", failures);
  return failures > 0 ? 1 : 0;
}
