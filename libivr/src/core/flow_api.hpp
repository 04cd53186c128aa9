#pragma once
#include <string>

#include "absl/status/statusor.h"
#include "core/flow_model.hpp"
#include "ivr/script.hpp"

// The api node, whole: how it is written, the request it makes, what it takes from the reply. When to ask,
// ask again and leave is the run's.

namespace ivr::flow {

class FieldContext;
class Fields;

// Reads all fields but the exits.
void read_api(ApiNode& node, const std::string& pointer, Fields& fields, FieldContext& context);

// What of the reply is secret, once all nodes are read: all of it where it goes into a secret variable, else
// what mappings take that say so or fill a secret variable. True: a variable became secret, so look at all
// nodes again.
bool settle_secrets(ApiNode& node, FieldContext& context);

// The request with the values of now, secret when one of them is. Refuses an address that is not HTTP's.
absl::StatusOr<HttpRequest> api_request(const ApiNode& node, Reader& reader);

bool expects(const ApiNode& node, int status);
bool worth_another_try(const HttpReply& reply);
bool timed_out(const HttpReply& reply);  // its words say so: there is no code for it

// The body of a reply: JSON, or a text that is taken as it is. Borrows the text.
class ApiReply {
 public:
  explicit ApiReply(const std::string& body);

  Value whole() const;
  // The log that this comes from does not tell what the mapping takes, or some of it all.
  bool hidden(const ApiNode::Mapping& mapping) const;
  bool hides_some(const ApiNode& node) const;

  // Follows the mapping's path, applies its transforms, and falls back where there is nothing.
  absl::StatusOr<Value> take(const ApiNode::Mapping& mapping, Reader& reader) const;

 private:
  const std::string& body_;
  Json json_;
};

}  // namespace ivr::flow
