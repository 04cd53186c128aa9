#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/digest_auth.hpp"
#include "core/early_refusal.hpp"
#include "core/enrolment.hpp"
#include "core/registrar.hpp"
#include "edge/clock.hpp"
#include "edge/sofia.hpp"
#include "edge/sofia_guard.hpp"
#include "edge/sofia_sip.hpp"
#include "ivr/ports.hpp"

namespace ivr {

// One call, from its first message to its Ended. Lives as long as NUA may mention it.
struct SofiaLeg {
  enum class State { early, answered, up, ending };  // answered: our 200 is out, its ACK is not in

  LegId id = 0;
  SofiaStack* stack = nullptr;
  nua_handle_t* handle = nullptr;
  bool outbound = false;
  State state = State::early;
  bool late_offer = false;                 // the INVITE had no SDP: ours is the offer
  bool peer_updates = false;               // its Allow has UPDATE
  bool peer_times = false;                 // its Supported has timer
  bool peer_acks_early = false;            // its Supported or Require has 100rel
  bool peer_allows_early = false;          // it reads P-Early-Media (RFC 5009)
  bool peer_acks_all = false;              // ... in its Require: every provisional goes reliably
  bool rung = false;                       // a provisional of ours is out
  bool early_answered = false;             // our SDP went out in a reliable provisional
  bool reoffered = false;                  // a re-INVITE of the peer waits for our answer
  bool we_offered = false;                 // ... and our answer to it was an offer; the ACK has theirs
  bool offering = false;                   // our own re-INVITE is out
  bool offer_waits = false;                // ... or waits for its turn after a 491
  bool referring = false;                  // our REFER is out, or its final NOTIFY not in
  bool bye_when_acked = false;             // answered after hang_up: BYE when it can be sent
  int challenges = 0;                      // 401/407 since the last success
  int challenged_with = 0;                 // the last of them
  int glares = 0;                          // 491 to the same offer
  std::string contact;                     // for a far peer; empty: the stack's own
  std::string sdp;                         // the last one we sent
  std::string own_offer;                   // of our re-INVITE
  std::string phrase;                      // NUA keeps the pointer until it has used it
  std::optional<std::string> early_sdp;    // the peer's, from a provisional or a PRACK
  msg_t* request = nullptr;                // an UPDATE or PRACK with an offer, held until answered
  msg_t* referral = nullptr;               // a REFER that waits for our word
  std::string refer_event;                 // the Event of the NOTIFYs for one that we took; empty: none
  std::string call_id, our_tag, peer_tag;  // of the dialog, as far as it is known
  std::string our_uri;                     // in its From or To
  su_timer_t* timer = nullptr;  // until our re-INVITE goes out again, or a peer was silent for too long
  std::string auth_user, auth_password;
  sip::Ended ended;  // what will be told

  SofiaLeg() = default;
  SofiaLeg(const SofiaLeg&) = delete;
  SofiaLeg& operator=(const SofiaLeg&) = delete;
  ~SofiaLeg();
};

// One registration of ours elsewhere, and the request that is out for it.
struct SofiaEnrolment {
  std::uint64_t id = 0;
  Enrolment rules;
  std::string registrar, address, contact;  // whom we ask, who we are, where we are
  std::string user;                         // in the contact, with its '@'
  bool far = false, tcp = false;
  std::string call_id;
  nua_handle_t* handle = nullptr;
};

// NUA and its root: what SofiaSip hides. Requests post to NUA; events come back in run().
class SofiaStack final : private RequestGate {
 public:
  explicit SofiaStack(const EarlyRefusalOptions& early_refusal);
  ~SofiaStack() override;
  SofiaStack(const SofiaStack&) = delete;
  SofiaStack& operator=(const SofiaStack&) = delete;

  absl::Status start(const SipOptions& options, SipPort::Sink sink);
  const Address& local() const { return local_; }
  void run(Micros wait);
  void wake() noexcept;
  void set_external_ip(const std::string& ip);
  void stop();
  std::size_t open_legs() const { return legs_.size(); }
  std::string far_contact(const std::string& peer_ip, bool tcp) const;

  LegId invite(const sip::Invite& request);
  void ring(LegId id, int status, std::optional<std::string> sdp);
  void answer(LegId id, std::string sdp);
  void reject(LegId id, int status, std::string reason, std::optional<Millis> retry_after);
  void offer(LegId id, std::string sdp);
  void accept_offer(LegId id, std::string sdp);
  void refuse_offer(LegId id, int status);
  void hang_up(LegId id, std::string reason);
  void refer(LegId id, std::string target, LegId replaces);
  void accept_refer(LegId id);
  void refuse_refer(LegId id, int status, const std::string& reason);
  void notify_refer(LegId id, int status);
  std::uint64_t enrol(const sip::Enrol& enrolment);
  void withdraw(std::uint64_t id);

 private:
  class Turn;
  static void on_nua(nua_event_t event, int status, const char* phrase, nua_t* nua, SofiaStack* self,
                     nua_handle_t* handle, SofiaLeg* leg, const sip_t* sip, tagi_t tags[]);
  void on_event(nua_event_t event, int status, const char* phrase, nua_handle_t* handle, SofiaLeg* leg,
                const sip_t* sip, tagi_t tags[]);

  // What came from the peer (sofia_events.cpp).
  void on_invite(nua_handle_t* handle, const sip_t* sip);
  void on_reinvite(SofiaLeg& leg, const sip_t* sip);
  void say_trying(LegId id);
  void on_ack(SofiaLeg& leg, const sip_t* sip);
  void on_body_request(SofiaLeg& leg, const sip_t* sip, bool prack);  // UPDATE, PRACK
  void on_info(nua_handle_t* handle, SofiaLeg* leg, const sip_t* sip);
  void on_invite_reply(SofiaLeg& leg, int status, const char* phrase, const sip_t* sip);
  void on_reinvite_reply(SofiaLeg& leg, int status, const sip_t* sip);
  void on_challenge(SofiaLeg& leg, int status, const char* phrase, const sip_t* sip);
  void on_terminated(SofiaLeg& leg, int status, const char* phrase);

  // Transfers (sofia_refer.cpp).
  void on_refer(nua_handle_t* handle, SofiaLeg* leg, const sip_t* sip);
  void on_refer_reply(SofiaLeg& leg, int status, const char* phrase, const sip_t* sip);
  void on_notify(SofiaLeg& leg, const sip_t* sip);
  void refer_over(SofiaLeg& leg, int status);
  SofiaLeg* find_dialog(const sip_replaces_t& replaces);
  int refused_replaces(const sip_t* sip, LegId& replaced);

  // Passwords and the registrar (sofia_registrar.cpp).
  absl::Status start_registrar();
  void on_register(nua_handle_t* handle, const sip_t* sip);
  bool proves_who_it_is(nua_handle_t* handle, const sip_t* sip, std::string_view method, bool must,
                        std::string& user);
  bool claims_a_user(const sip_t* sip) const;
  void tell_contacts(const std::string& user);

  // Our registrations elsewhere (sofia_enrol.cpp).
  std::string contact_of(const SofiaEnrolment& each) const;
  void send_register(SofiaEnrolment& enrolment, const Enrolment::Request& request);
  void on_register_reply(nua_handle_t* handle, int status, const char* phrase, const sip_t* sip);
  void withdraw_all();

  // Calls that there is no time for (sofia_shed.cpp).
  absl::Status start_shedding();
  bool takes(msg_t* message, std::string_view first, std::string_view rest) override;
  std::optional<Micros> waited() const;

  void tick();  // what time brings
  std::optional<Time> next_tick() const;

  SofiaLeg* find(LegId id);
  SofiaLeg& open(nua_handle_t* handle);
  void end(SofiaLeg& leg);  // tells, forgets, frees
  void send_offer(SofiaLeg& leg);
  void send_bye(SofiaLeg& leg);
  void retry_offer(SofiaLeg& leg);
  void give_up_later(SofiaLeg& leg);
  void refuse(nua_handle_t* handle, int status);
  bool allowed(nua_handle_t* handle, const sip_t* sip);
  void tell_refused(RefusedFor why, int status, const sip_t* sip);
  void step_until(Millis limit, bool (SofiaStack::*done)() const);
  bool is_done() const { return legs_.empty() && deferred_.empty() && enrolments_.empty(); }
  bool is_down() const { return down_; }

  SipOptions options_;
  SipPort::Sink sink_;
  Address local_;
  su_root_t* root_ = nullptr;
  nua_t* nua_ = nullptr;
  const int wake_fd_;  // of the whole life: others wake a stack that comes up or goes down
  int wake_index_ = -1;
  bool stopping_ = false;
  bool down_ = false;
  LegId last_leg_ = 0;
  absl::flat_hash_map<LegId, std::unique_ptr<SofiaLeg>> legs_;
  SteadyClock clock_;
  std::optional<DigestServer> digest_;  // with users only, as the registrar
  std::optional<Registrar> registrar_;
  FailureLimit failures_;
  const EarlyRefusalOptions early_refusal_options_;
  std::optional<EarlyRefusal> early_refusal_;  // listens by UDP, and calls may not wait for ever
  int udp_fd_ = -1;                            // the stack's own, of which it knows
  std::uint64_t last_enrolment_ = 0;
  std::vector<SofiaEnrolment> enrolments_;
  std::vector<sip::Event> deferred_;  // what could not even be started
};

}  // namespace ivr
