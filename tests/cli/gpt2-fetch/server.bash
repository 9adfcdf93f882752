# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# For cases that need a server: serve FOLDER [CERTIFICATES] starts one for the rest of the case, whose address is $server.
# It ends with the case. What a user's environment says of proxies, certificates and the hub is no part of the case.
for name in ${!HF_*} CURL_CA_BUNDLE SSL_CERT_FILE {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY; do
  unset "$name"
done
export HOME=$PWD/home
serve() {
  rm -f server.url server.stdin
  mkfifo server.stdin
  serve_faults "$@" <server.stdin >server.url 9>&- &
  exec 9>server.stdin
  until [ -s server.url ]; do
    kill -0 $!  # it has not ended
    sleep 0.01
  done
  server=$(<server.url)
}
sha256_of() { sha256sum "$1" | cut -d' ' -f1; }
