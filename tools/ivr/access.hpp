#pragma once
#include <string>

#include "absl/status/statusor.h"
#include "ivr/ports.hpp"
#include "ivr/site.hpp"

// Which calls somebody may see: those of the numbers that the site's "access" gives to the user. Without a
// name it is whoever may read the database anyway, and sees all. A call that a user may not see is, for that
// user, not there.
class Access {
 public:
  static absl::StatusOr<Access> of(ivr::StorePort& store, const std::string& user);

  bool sees(const ivr::CallRecord& call) const { return user_.empty() || may_see(site_, user_, call); }
  bool all() const { return user_.empty(); }

 private:
  std::string user_;
  ivr::Site site_;
};
