// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the environment says of the hub and of certificates, in the variables that other tools read.
#pragma once

#include <string>

namespace gpt2::tools {

/// HF_ENDPOINT; empty without it.
std::string hub_endpoint();
/// HF_TOKEN, else the token that "hf auth login" has left: $HF_TOKEN_PATH, $HF_HOME/token or
/// ~/.cache/huggingface/token; empty without one. Throws: UsageError for a token that holds more
/// than visible characters.
std::string hub_token();
/// CURL_CA_BUNDLE, else SSL_CERT_FILE; empty without them.
std::string authority_file();

}  // namespace gpt2::tools
