#pragma once
#include "absl/status/status.h"
#include "core/flow_model.hpp"
#include "ivr/script.hpp"

namespace ivr::flow {

// What a caller of that language is to hear: variables filled in, numbers spelled out, one prompt a digit so
// that each digit is synthesised once in its life. Fails when a value cannot be spoken: "abc" is no amount.
absl::Status render(const Model& model, const Say& say, int language, Reader& reader, Prompts& out);

// Can that value be said by the rules of the language? Of money also the currency counts.
absl::Status speakable(Piece::Kind kind, const std::string& value, const std::string& currency,
                       const std::string& language);

// All prompts of a node.
std::vector<const Say*> says_of(const Node& node);

// Everything the flow says in any language that has no variable in it.
std::vector<Prompts> literal_prompts(const Model& model);

}  // namespace ivr::flow
