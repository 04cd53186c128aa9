/* The smallest IVR in C. It answers every call on its port, speaks, takes a key, and prints what happens,
 * until Ctrl-C.
 *
 *   hello_c [PORT]            5060 unless told otherwise; 0 takes any free port
 *   ivr call sip:hello@127.0.0.1:5060 --do "wait 3s; press 1; wait 3s; hangup"       (or a softphone)
 *
 * Outside this tree: cc hello.c $(pkg-config --cflags --libs ivr). hello.cpp beside this file is the same in
 * C++.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ivr/ivr.h"

/* Call logic is data: drawn, checked and versioned apart from the program (docs/flow-format.md). */
static const char flow_json[] =
    "{ \"ivr\": 1, \"id\": \"hello\", \"start\": \"hi\", \"on_error\": \"bye\", \"nodes\": {"
    "  \"hi\":    { \"type\": \"play\", \"say\": \"Hello. This is libivr.\", \"next\": \"again\" },"
    "  \"again\": { \"type\": \"menu\", \"say\": \"Press 1 to hear that again.\", \"tries\": 1, \"timeout\": "
    "\"5s\","
    "               \"keys\": {\"1\": \"hi\"}, \"invalid\": \"bye\", \"no_input\": \"bye\" },"
    "  \"bye\":   { \"type\": \"hangup\" } } }";

static volatile sig_atomic_t over = 0;

static void stop(int signal_number) {
  (void)signal_number;
  over = 1;
}

static int fail(void) {
  fprintf(stderr, "%s\n", ivr_last_error());
  return 1;
}

int main(int argc, char** argv) {
  ivr_engine_options options = IVR_ENGINE_OPTIONS_INIT;
  ivr_route route = IVR_ROUTE_INIT;
  ivr_engine* engine = NULL;
  ivr_flow* flow = NULL;
  const ivr_event* event = NULL;
  signal(SIGINT, stop);
  signal(SIGTERM, stop);

  if (ivr_flow_load(&flow, flow_json, strlen(flow_json)) != IVR_OK)
    return fail();       /* refuses what cannot work */
  route.extension = "*"; /* every one */
  route.flow = flow;
  options.port = argc > 1 ? atoi(argv[1]) : 5060;
  if (ivr_engine_create(&engine, &options) != IVR_OK) return fail();
  if (ivr_engine_route(engine, &route) != IVR_OK) return fail();
  if (ivr_engine_start(engine) != IVR_OK) return fail();
  printf("call sip:hello@127.0.0.1:%d\n", (int)ivr_engine_port(engine));
  fflush(stdout);

  /* The engine's own threads answer the calls; this one only watches. */
  while (!over) {
    if (ivr_engine_next_event(engine, 200, &event) != IVR_OK) continue;
    if (event->kind == IVR_CALL_STARTED) printf("%s calls\n", event->text);
    if (event->kind == IVR_CALL_ENDED) printf("ended by %s\n", event->text);
    fflush(stdout);
    ivr_event_free(event);
  }
  ivr_engine_stop(engine, 2000); /* whoever is still talking has two seconds to finish */
  ivr_engine_free(engine);
  ivr_flow_free(flow);
  return 0;
}
