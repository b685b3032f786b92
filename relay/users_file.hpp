#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "smtp/credentials.hpp"
#include "smtp/password_hash.hpp"

namespace relay {

// Who may sign in to relay: lines of "NAME HASH", as `relay user` prints them. Blank lines and
// lines that begin with '#' are skipped. Names are compared as they are written.
class UsersFile : public smtp::CredentialStore {
 public:
    // The error names file and line. A file that others can read is taken: hashes are no passwords.
    [[nodiscard]] static base::Result<UsersFile> load(const std::filesystem::path& path);
    [[nodiscard]] static base::Result<UsersFile> parse(std::string_view text,
                                                       const std::string& name);

    [[nodiscard]] std::optional<smtp::ScramSecret> find(std::string_view user) const override;
    [[nodiscard]] smtp::ScramSecret decoy(std::string_view user) const override;
    [[nodiscard]] std::size_t size() const { return users_.size(); }

 private:
    std::map<std::string, smtp::ScramSecret, std::less<>> users_;
    smtp::Decoys decoys_;
};

// Whether a name can stand in a users file: no blank, no control character, no '#' in front.
[[nodiscard]] base::Result<> check_user_name(std::string_view name);

// Puts "NAME HASH" in place of that user's line, or behind the others, and says which: true when
// there was one. All else stays as it is, and so do the file's owner and mode; the file is replaced
// as a whole. It is made when it does not exist, readable by its owner only.
[[nodiscard]] base::Result<bool> set_user(const std::filesystem::path& path, std::string_view name,
                                          std::string_view hash);

}  // namespace relay
