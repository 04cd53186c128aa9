#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/sip_uri.hpp"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

namespace ivr {

struct RegistrarOptions {
  Millis min_expires = 60s;  // a shorter wish is refused with 423; 0 ends a binding
  Millis default_expires = 3600s;
  Millis max_expires = 7200s;  // a longer wish is cut to this
  std::size_t contacts = 8;    // of one user at once
};

// A REGISTER whose sender is known, in our words.
struct RegisterRequest {
  struct Contact {
    std::string uri;
    std::optional<std::uint32_t> expires_s;
    double q = 1;
    std::string instance;  // +sip.instance: which device it is, whatever its address
  };
  std::string user;
  std::string call_id;
  std::uint32_t cseq = 0;
  std::vector<Contact> contacts;  // none: it only asks
  bool all = false;               // Contact: *
  std::optional<std::uint32_t> expires_s;
  Address source;
  bool relayed = false;   // a proxy sent it, so `source` is not where the contact is
  std::string transport;  // by which it came: "udp", "tcp"
};

struct RegisterReply {
  int status = 200;
  std::string reason;
  Millis min_expires{0};                                 // of a 423
  std::vector<std::pair<std::string, Millis>> bindings;  // as registered, and how long from now
  bool changed = false;
};

// Who can be reached where (RFC 3261, 10.3). It neither authenticates nor answers: what it is given is from
// whom it says, and its words for the reply are numbers and text.
//
// A user has as many contacts as he has devices. A contact of the same device, by +sip.instance, takes the
// place of the one before: a phone that was started anew is not rung twice. One more than the limit takes the
// place of the contact that has not come for the longest time: phones without +sip.instance that start anew
// at other ports do not lock their user out. A REGISTER is taken whole or not at all.
//
// NAT: a contact with another host than the packet came from is dialled where the packet came from, unless a
// proxy has passed it on.
//
// Thread: one at a time.
class Registrar {
 public:
  static absl::StatusOr<Registrar> create(const RegistrarOptions& options);

  // Contacts as contacts() gave them, of a user who has none: goes on as if it had been here all the time.
  void restore(const sip::Registered& kept, Time now);

  RegisterReply handle(const RegisterRequest& request, Time now);

  std::vector<sip::Contact> contacts(std::string_view user, Time now) const;  // best first

  std::optional<Time> deadline() const;       // when the next contact ends
  std::vector<std::string> expire(Time now);  // whose contacts have ended; once each

 private:
  struct Binding {
    SipUri uri;  // of contact.registered
    sip::Contact contact;
  };
  using Bindings = std::vector<Binding>;

  explicit Registrar(const RegistrarOptions& options) : options_(options) {}
  RegisterReply refuse(int status, std::string reason) const;

  RegistrarOptions options_;
  absl::flat_hash_map<std::string, Bindings> users_;
  std::set<std::pair<Time, std::string>> ends_;  // of each user the first contact that ends
};

// A user's contacts as a store keeps them, by user.
inline constexpr char kRegistrationKind[] = "registration";
StoredDocument document_of(const sip::Registered& registered);
absl::StatusOr<sip::Registered> registered_of(const StoredDocument& document);

}  // namespace ivr
