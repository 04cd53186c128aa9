#pragma once
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Flow documents as texts that people keep under version control.

namespace ivr {

// The document as all of us write it, so that two who change it do not differ in more than they mean: the
// language's own fields in the order of docs/flow-format.md, names (of nodes, variables, keys...) and lists
// in the order in which they were written, two spaces a level, what fits into 120 columns on one line, each
// node on lines of its own. Doing it twice changes nothing, and the digest is that of the document before.
//
// It need not be a flow that runs, only JSON of which no key is there twice.
// Errors: InvalidArgument, one line a defect.
// Thread: any.
absl::StatusOr<std::string> format_flow(std::string_view json);

}  // namespace ivr
