// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A page of this machine's own browser that is made anew whenever it is asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace gpt2::tools {

/// Gives the page; it is to ask for itself anew after `reload_seconds`.
using MakePage = std::function<std::string(int reload_seconds)>;

/// Serves http://localhost:`port` (0: any that is free, which a notice names) to programs of this
/// machine until a signal ends the process; an error in making the page is shown in its place.
/// Throws: UnavailableError when the port is taken.
[[noreturn]] void serve_page(std::uint32_t port, const MakePage& make_page);

}  // namespace gpt2::tools
