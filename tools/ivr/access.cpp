#include "access.hpp"

#include "ivr/site.hpp"

absl::StatusOr<Access> Access::of(ivr::StorePort& store, const std::string& user) {
  Access access;
  if (user.empty()) return access;
  auto site = ivr::load_site_from(store);
  if (!site.ok() && !absl::IsNotFound(site.status())) return site.status();
  access.user_ = user;
  if (site.ok()) access.site_ = *std::move(site);  // without a site nobody has been given anything
  return access;
}
