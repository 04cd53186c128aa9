#pragma once
#include <string>

#include "absl/status/status.h"
#include "core/flow_fields.hpp"
#include "core/flow_model.hpp"
#include "ivr/script.hpp"

// The nodes that bring a caller together with somebody, whole: how they are written, what they want of the
// router, what they tell of how it went. When to ask and where to leave is the run's.

namespace ivr::flow {

// Reads all fields but the exits.
void read_queue(QueueNode& node, const std::string& pointer, Fields& fields, FieldContext& context);
void read_transfer(TransferNode& node, const Node& of, Fields& fields, FieldContext& context);
void read_callback(CallbackNode& node, Fields& fields);
void read_agent_status(AgentStatusNode& node, const std::string& pointer, Fields& fields,
                       FieldContext& context);
void read_keywords(KeywordsNode& node, const std::string& pointer, Fields& fields, FieldContext& context);

// The intents with the values of now.
absl::Status queue_intent(const Model& model, const QueueNode& node, int language, Reader& reader,
                          intent::Queue& out);
absl::Status agents_intent(const Model& model, const TransferNode& node, int language, Reader& reader,
                           intent::Queue& out);
absl::StatusOr<intent::Transfer> dial_intent(const Model& model, const TransferNode& node, int language,
                                             Reader& reader);
absl::StatusOr<intent::Callback> callback_intent(const CallbackNode& node, Reader& reader,
                                                 const std::string& caller);
absl::StatusOr<intent::AgentStatus> agent_status_intent(const AgentStatusNode& node, Reader& reader);

// What is announced to who waits; nothing where the node has no words for it, or they cannot be spoken now.
// Reads the news in the reader.
Prompts announcement(const Model& model, const QueueNode& node, int language, Reader& reader,
                     const outcome::QueueNews& news);

// What the built-in variables of the node say afterwards.
Json result_of(const outcome::Queued& queued);
Json result_of(const outcome::Transferred& transferred);
Json result_of(const outcome::AgentStatusSet& set);
Json result_of(const KeywordRoute& route);
std::string_view cause_of(outcome::TransferEnd end) noexcept;

}  // namespace ivr::flow
