# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --follow shows the page as the run is when it is asked for; a run that has not begun is said and waited for, and another
# program's request that is none ends nothing.
gpt2-plot run --follow --port 0 2>words &
trap 'kill %1' EXIT
until grep -q localhost words; do sleep 0.02; done
port=$(sed 's/.*localhost:\([0-9]*\) .*/\1/' words)
ask() { exec 3<>"/dev/tcp/127.0.0.1/$port"; printf "$1" >&3; cat <&3; exec 3>&-; }
get() { ask 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | tr -d '\r'; }

get >page
grep -q '^HTTP/1.1 503 ' page
grep -q 'run: is no run folder' page
mkdir run
printf '1 train 10.5\n2 train 9.5\n' >run/log.txt
get >page
grep -q '^HTTP/1.1 200 OK' page
grep -q 'http-equiv="refresh"' page
grep -q '9.5000 at 2' page
[ "$(sed '1,/^$/d' page | wc -c)" = "$(sed -n 's/^Content-Length: //p' page)" ]
echo '3 train 8.5' >>run/log.txt
get >page
grep -q '8.5000 at 3' page
ask 'GET /etc/passwd HTTP/1.1\r\n\r\n' >page
grep -q '^HTTP/1.1 404 ' page
ask 'nonsense\r\n\r\n' >page
grep -q '^HTTP/1.1 404 ' page
get >page
grep -q '8.5000 at 3' page
code=0
gpt2-plot run --follow --port "$port" 2>words || code=$?
[ $code = 69 ]
grep -q "port $port: Address already in use" words
