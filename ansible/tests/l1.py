"""As much of an L1 as a relayer asks for when it starts: a light client to which nothing was posted. Run inside a container."""

import http.server
import json

HEAD_WORDS = 5
ANSWERS = {"eth_chainId": "0x1", "eth_call": "0x" + "00" * 32 * HEAD_WORDS}


class L1(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = {"jsonrpc": "2.0", "id": call["id"]}
        if call["method"] in ANSWERS:
            answer["result"] = ANSWERS[call["method"]]
        else:
            answer["error"] = {"code": -32601, "message": "this L1 is a test's, and does not know " + call["method"]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.HTTPServer(("127.0.0.1", 8545), L1).serve_forever()
