#include "edge/sofia_digest.hpp"

#include <cstdint>
#include <random>
#include <string>

#include "core/digest_auth.hpp"
#include "edge/sofia.hpp"
#include "edge/sofia_md5.hpp"
#include "edge/sofia_text.hpp"

#define SOFIA_EXTEND_AUTH_CLIENT 1
#include <sofia-sip/auth_client.h>
#include <sofia-sip/auth_client_plugin.h>

namespace ivr {
namespace {

// What the library allocates, cleared, for each realm that has asked. Its memory is its home's.
struct Held {
  auth_client_t base;
  char* challenge;
  char* cnonce;
  std::uint32_t uses;
  bool sha256;
};

std::string new_cnonce() {
  std::random_device random;
  return std::to_string(random()) + std::to_string(random());
}

// 2: something new to answer; 1: nothing new; below 0: none of it can be met.
int on_challenge(auth_client_t* client, const msg_auth_t* header) {
  auto* held = reinterpret_cast<Held*>(client);
  const std::string text = auth_text(header);
  const auto fields = parse_digest(text);
  if (!fields || !answer_digest(*fields, {}, md5_hex)) return held->challenge || header->au_next ? 1 : -1;
  const bool sha256 = same_word(fields->algorithm, "SHA-256");
  if (held->sha256 && !sha256) return 1;
  const bool news = !held->challenge || fields->stale || sha256 != held->sha256;
  su_free(client->ca_home, held->challenge);
  su_free(client->ca_home, held->cnonce);
  held->challenge = su_strdup(client->ca_home, text.c_str());
  held->cnonce = su_strdup(client->ca_home, new_cnonce().c_str());
  held->uses = 0;
  held->sha256 = sha256;
  return news ? 2 : 1;
}

int authorize(auth_client_t* client, su_home_t* home, const char* method, const url_t* url,
              const msg_payload_t*, msg_header_t** made) {
  auto* held = reinterpret_cast<Held*>(client);
  if (!held->challenge || !client->ca_user || !client->ca_pass || client->ca_clear) return 0;
  const auto fields = parse_digest(held->challenge);
  if (!fields) return 0;
  const auto text = answer_digest(*fields,
                                  {.user = client->ca_user,
                                   .password = client->ca_pass,
                                   .method = method,
                                   .uri = url_text(url),
                                   .cnonce = held->cnonce,
                                   .uses = ++held->uses},
                                  md5_hex);
  if (!text) return 0;
  *made = msg_header_make(home, client->ca_credential_class, text->c_str());
  return *made ? 0 : -1;
}

int clear(auth_client_t* client) {
  client->ca_clear = 1;
  return 1;
}

}  // namespace

void teach_digest() {
  static const auth_client_plugin_t placeholder = {
      sizeof placeholder, sizeof(Held), "none", on_challenge, authorize, nullptr, clear, nullptr, nullptr};
  static const auth_client_plugin_t digest = {sizeof digest, sizeof(Held), "Digest", on_challenge, authorize,
                                              nullptr,       clear,        nullptr,  nullptr};
  // This version puts a plugin in the place of the first with another name. So ours gets that of the
  // library's own by way of a third; a version that goes by the name right gets there at the second call.
  auc_register_plugin(&placeholder);
  auc_register_plugin(&digest);
}

}  // namespace ivr
