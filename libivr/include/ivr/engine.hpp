#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/admission.hpp"
#include "ivr/call_session.hpp"
#include "ivr/ports.hpp"
#include "ivr/refusals.hpp"
#include "ivr/router.hpp"
#include "ivr/script.hpp"
#include "ivr/site.hpp"

namespace ivr {

// What answers an extension. `script` makes the script of one call; flow_route() of ivr/flow_route.hpp fills
// this in for a flow document.
struct Route {
  std::string extension;  // "2001", "*45", a prefix "2*", or "*" for whatever no other route takes
  // Which callers it is for (the user part of From, or the whole URI); empty: all. Of two routes for one
  // extension the first that takes the caller does. Asked on the control thread.
  std::function<bool(std::string_view caller)> takes{};
  std::function<std::unique_ptr<Script>(const CallInfo&)> script;
  std::string flow;  // id, digest and document of the version it runs: kept for records and replay
  std::string flow_digest;
  std::string flow_document;
  std::vector<std::pair<std::string, std::string>> variables;  // given to each run: name and JSON text
  bool answer_later = false;  // begins on early media (183); a caller without an offer is answered at once
  bool record = false;        // the whole call, stereo
  bool record_digits = true;  // false: without the tones of keys
  bool secret_type_ahead = false;    // the script asks for secrets, see CallSessionOptions
  std::vector<QueueOptions> queues;  // that its flow brings along: transfers to agents
  std::vector<Prompts> preload;      // rendered at start, so that the first caller does not wait
};

std::vector<Codec> default_codecs();  // what this library has, G.711 first

struct EngineOptions {
  // An external_ip may be "stun:HOST[:PORT]": start() asks that server at which address it sees us (RFC
  // 8489), for at most 10 s, and fails when it does not say. Ports are taken to be forwarded as they are.
  SipOptions sip;
  MediaOptions media;
  Millis external_ip_refresh = 60s;  // until such a server is asked again; 0: only by start()
  StreamOptions stream;
  // What is offered in this order, and taken in the order of whose offer it is. Opus: unless the library was
  // built without (IVR_WITH_OPUS=OFF).
  std::vector<Codec> codecs = default_codecs();
  bool telephone_event = true;  // offer and take RFC 4733; false: keys are tones in the audio
  bool comfort_noise = true;    // offer and take RFC 3389; what we send is StreamOptions::dtx
  std::vector<Route> routes;
  Limits limits;
  std::string database;          // SQLite file; empty: nothing is kept
  std::string recordings = ".";  // folder; files go to YYYY/MM/DD below it
  std::string prompts = ".";     // folder of prompt files
  std::string speech_cache;      // folder for rendered speech; empty: memory only
  std::string default_language = "en";
  std::string auth_user, auth_password;      // digest, for calls we make
  std::vector<std::string> masking_numbers;  // virtual numbers for mask()
  std::string trunk;                         // "sip:host:port": where numbers that are no URI are called
  std::vector<sip::Enrol> enrolments;        // where we register ourselves while we run
  std::vector<AgentOptions> agents;
  std::vector<QueueOptions> queues;  // besides those of the routes
  std::map<std::string, MusicClass>
      music;            // by name; "default" is for all who have no other. None: a tune of ours
  CallerRules callers;  // by number: who calls too often, who called before
  std::vector<CallerList> caller_lists;  // "block" is refused; lists give priority in queues
  RouterOptions router;                  // of a desk that begins; one that goes on keeps its own
  bool login_by_registration =
      true;              // an agent whose telephone registers, or waits on the line, is available
  bool narrate = false;  // Said, Pressed, NodeEntered and NodeLeft come as engine events too
};

// In place of the real ones; what is null is made from the options.
struct EnginePorts {
  std::unique_ptr<SipPort> sip;
  std::unique_ptr<MediaPort> media;
  std::unique_ptr<SpeechPort> speech;
  std::unique_ptr<HttpPort> http;
  std::unique_ptr<StorePort> store;
};

struct Originate {
  std::string uri;                                             // whom to call
  std::string from_uri;                                        // empty: us
  std::vector<std::pair<std::string, std::string>> variables;  // given to the script: name and JSON text
  std::function<std::unique_ptr<Script>(const CallInfo&)> script;
  CallSessionOptions session;
  bool may_refer = false;          // whom it calls may send on, by REFER, whoever the script has dialled
  bool dialled_may_refer = false;  // and whoever the script has dialled, whom it calls
};

// What the application is told. Pulled by next_event(); when it does not pull, the oldest 65,536 are kept and
// the rest counted in EngineStats::events_dropped. Nothing of a call depends on it.
struct EngineEvent {
  struct CallStarted {
    CallInfo call;
  };
  struct CallAnswered {};
  struct CallRefused {
    int status = 0;
    std::string reason;
    std::string from;
    std::string extension;
    std::string address{};  // where the request came from
    RefusedFor why = RefusedFor::busy;
    std::string method = "INVITE";  // or "REGISTER", of one who has not proved who he is

    RefusedRequest request() const { return {why, status, method, address, from, extension}; }
  };  // call is empty
  struct Said {
    Prompts prompts;
  };
  struct Pressed {
    char digit = 0;
    DigitSource source{};
  };  // '?' when secret
  struct Noted {
    Note note;
  };
  struct Recorded {
    std::string file;
    Millis length{0};
  };
  struct Routed {  // what the router decided: offers, who talks with whom, agents' states...
    acd::Command what;
  };  // call is empty
  struct Enrolled {
    std::string user, registrar;
    bool registered = false;
    int status = 0;
    std::string reason;
  };                   // call is empty
  struct Unreadable {  // what an earlier run had kept; it is gone, and nothing else is
    std::string kind;  // "registration", "masking"
    std::string name;  // the user, the pair
    std::string why;
  };  // call is empty
  struct CallEnded {
    CallRecord record;
    StreamStats media;
  };

  std::string call;
  Time at{};
  std::variant<CallStarted, CallAnswered, CallRefused, Said, Pressed, Noted, Recorded, Routed, Enrolled,
               Unreadable, CallEnded>
      what;
};

struct EngineStats {
  int calls = 0;  // now
  int peak_calls = 0;
  std::uint64_t started = 0, answered = 0, ended = 0, refused = 0;
  std::uint64_t events_dropped = 0;
  std::uint64_t records_waiting = 0, store_errors = 0;  // of the store's backlog
  std::string store_error;                              // the last one
  int streams = 0;
  // What far peers are told, by SIP; and why a STUN server did not say so again, in which case the address
  // stays.
  std::string external_ip, external_ip_error;
  SharedPorts shared_ports;              // up to two seconds old,
  std::vector<MediaLoad> media_threads;  // and so are these
};

// The whole IVR: its threads, and the mailboxes between them (docs/architecture.md, section 5).
//
// Thread: create, start and stop from one; the others from any.
class Engine {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> create(EngineOptions options, EnginePorts ports = {});
  ~Engine();  // stop(0ms)

  // Binds and listens; calls that were open when the last run died are closed with cause "system".
  absl::Status start();

  // Drains: new calls are refused (503), those in progress may end by themselves within `grace`, then they
  // are ended; everything is written before it returns.
  void stop(Millis grace);

  // Waits for the next event; nothing after `timeout`, or at once when the engine has stopped and all were
  // read.
  std::optional<EngineEvent> next_event(Millis timeout);

  // Calls somebody; returns the call's id. CallEnded comes in any case.
  absl::StatusOr<std::string> originate(Originate request);

  // Calls `first`, then `second`, and connects them; both see `shown` as the caller. Returns the first one's
  // call. Either may send the other on by REFER, and whoever is called then is called at our expense, with
  // `shown` as the caller; until the target answers, the first one's referral leaves them talking and the
  // second one's lets the first hear it ring, and in vain they talk on.
  absl::StatusOr<std::string> connect(std::string first, std::string second, std::string shown = {});

  // A virtual number by which two parties reach each other, who never see each other's number; it is good for
  // `lifetime`, also after a crash: it is on disk by then. Neither may send the other on: a REFER gets 403,
  // for they are strangers, who are not to call at our expense. ResourceExhausted: each of
  // EngineOptions::masking_numbers is in use with one of the two. DeadlineExceeded: the store takes nothing.
  absl::StatusOr<std::string> mask(std::string_view one, std::string_view other, Millis lifetime);

  // Puts other routes in the place of those there are, for new calls; calls in progress stay on the script
  // and the version that they have. Their flows are kept, their prompts made; a queue of a flow stays until
  // the next start. InvalidArgument, and nothing has changed: what create() would refuse of a route.
  absl::Status set_routes(std::vector<Route> routes);

  // NotFound when there is no such call (any more).
  absl::Status hang_up(std::string_view call, std::string reason);

  // Agents and queues. NotFound names the agent or call that is not there.
  absl::Status set_agent_state(std::string_view agent, AgentState state, std::string reason = {});
  absl::StatusOr<std::vector<Router::AgentView>> agents();
  absl::StatusOr<std::vector<Router::QueueView>> queues();
  absl::StatusOr<std::vector<Router::EntryView>> entries();
  absl::StatusOr<acd::Decided> explain(
      std::string_view call);  // who would be offered now, and why not others

  // Of a call that talks with another one. FailedPrecondition when it does not.
  absl::Status transfer(std::string_view call, std::string uri);  // it goes on to `uri`, the other is let go
  // Warm: calls `uri`, tells it `brief`, and when it presses one of `accept_keys` (or, without any, answers)
  // it goes on with `call`, and the other is let go. Meanwhile `call` hears music. Who declines leaves all as
  // it was.
  absl::Status warm_transfer(std::string_view call, std::string uri, Prompts brief,
                             std::string accept_keys = "1");
  // Attended: who talks with `call` goes on with who talks with `other`.
  absl::Status join_partners(std::string_view call, std::string_view other);
  absl::Status hold(std::string_view call, bool on);  // hears music
  absl::Status mute(std::string_view call, bool on);  // is not heard
  // Calls a supervisor, who hears this call and its partner; 4, 5 and 6 on the supervisor's keys change to
  // listen, whisper (to this call alone) and barge. Returns the supervisor's call.
  absl::StatusOr<std::string> supervise(std::string_view call, std::string uri, Supervision mode);

  EngineStats stats() const;
  Address sip_address() const;  // with the real port
  int recovered_calls() const;  // how many start() closed as "system"

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ivr
