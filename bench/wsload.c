// wsload: a WebSocket load generator in C (epoll, one thread; more than a million frames/s on one core).
//
// Build: cc -O2 -o wsload wsload.c
//
// It opens `members` connections; the first `senders` of them send. Every message carries a marker with the time
// at which it was due, and members count markers, not frames, so a server may pack messages into frames and segments
// in any way. Replies are matched to messages by a number in each message.
//
// Open loop (`--rate 100`): messages are sent at a fixed rate, whatever the server does, and latency counts from the
// time at which a message was due. Closed loop (`--rate max`): each sender waits for its reply before it sends again.
//
// Templates: {i} member  {r} its room (i mod rooms)  {t} its line of the tokens file
//            {n} the message's number (16 digits, unique)  {m} the marker, padded to --size in total
//            {s} the size of the padded marker in bytes
//
// With several --port, members are distributed over them in turn.
//
// With --heard, no member sends: another program publishes --rate messages a second, due at the multiples of the
// interval on this machine's monotonic clock, so that both know which messages are due within the run.
//
// Result: one JSON object on stdout. With --hold it prints `ready` when all are connected and waits for a line on
// stdin (end of input: stop), then prints `run` and `end` around the measurement.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TEXT 1
#define BINARY 2
#define CLOSE 8
#define PING 9
#define PONG 10
#define FRAME_BYTES (1 << 20)         // largest frame of the server
#define READ_BYTES (256 << 10)        // size of one read
#define TEMPLATE_BYTES 65536          // an expanded template
#define MARKER_BYTES 29               // @T=<19 digits>,<5 digits>;
#define NUMBER_DIGITS 16
#define FIRST_NUMBER 1000000000000000 // all numbers have the same digits and fit into a double
#define PENDING (1 << 20)             // messages that await their reply; a power of two
#define STEPS 16
#define MEMBERS_PER_ADDRESS 25000     // limited by local ports: more members use 127.0.0.2, 127.0.0.3, ...
#define CONNECT_DEADLINE_NS 10000000000LL // without another member becoming ready

static void die(const char *why) {
    fprintf(stderr, "wsload: %s\n", why);
    exit(2);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// ---- Histogram: 64 buckets for each power of two, so values are accurate to 1.6 % ----

typedef struct {
    uint64_t count[64 * 64], total, max;
} histogram;

static int bucket_of(uint64_t value) {
    if (value < 64) return (int)value;
    int shift = 63 - __builtin_clzll(value) - 6;
    return (shift + 1) * 64 + (int)((value >> shift) & 63);
}

static double middle_of(int bucket) {
    if (bucket < 64) return bucket;
    int shift = bucket / 64 - 1;
    return ((double)(64 + bucket % 64) + 0.5) * (double)(1ULL << shift);
}

static void record(histogram *h, int64_t value) {
    uint64_t v = value > 0 ? (uint64_t)value : 0;
    h->count[bucket_of(v)]++;
    h->total++;
    if (v > h->max) h->max = v;
}

static double percentile_ms(const histogram *h, double q) {
    uint64_t seen = 0;
    for (int b = 0; b < 64 * 64; b++) {
        seen += h->count[b];
        if (seen > (uint64_t)(q * (double)h->total)) return middle_of(b) / 1e6;
    }
    return h->max / 1e6;
}

// ---- Options ----

typedef struct {
    enum { SEND, EXPECT } kind;
    const char *text;
} step;

static struct {
    const char *host, *path, *headers[16], *message, *ack, *refusal, *ping, *pong;
    int ports[16], n_ports, n_headers, members, senders, rooms, at_once, slow, size, settle_ms, drain_ms, window, opcode, hold, heard, verbose;
    double rate, warm_s, run_s; // rate 0: closed loop
    step steps[STEPS];
    int n_steps, n_tokens;
    char **tokens;
} o = {.host = "127.0.0.1", .path = "/", .members = 1, .rooms = 1, .at_once = 64, .size = 120,
       .settle_ms = 300, .drain_ms = 5000, .window = 1, .opcode = TEXT, .rate = 1, .warm_s = 1, .run_s = 5};

// ---- State ----

typedef struct {
    int fd, index, room, step, awaited; // awaited: number of replies that this sender waits for
    enum { CONNECTING, HANDSHAKE, SETUP, READY, DEAD } state;
    int is_slow, wants_out;
    char *in, *out; // bytes of an incomplete frame; bytes that the kernel did not accept
    int n_in, n_out, cap_in, cap_out;
} member;

typedef struct {
    member *member;
    char *text; // the message, expanded except for its marker's time and its number
    int size, marker_at, number_at[4], n_numbers;
} sender;

typedef struct {
    int64_t number, due_ns;
    sender *sender;
} pending;

static enum { CONNECT, SETTLE, HOLD, WARM, RUN, DRAIN, END } phase = CONNECT;
static int epoll_fd, n_started, n_ready, n_failed, next_sender;
static int64_t begun_ns, progress_ns, connected_ns, run_ns, run_end_ns, next_due_ns, next_number;
static member *members;
static sender *senders;
static pending *pendings;
static int *room_members;
static char *read_buffer;
static histogram acks, deliveries;
static uint64_t n_sent, n_refused, n_expected, n_acks_in_run, n_deliveries_in_run, n_frames, n_bytes, n_closed;

static int is_counted(int64_t due_ns) { return due_ns >= run_ns && due_ns < run_end_ns; }

// ---- Templates ----

static void write_digits(char *at, int digits, int64_t value) {
    for (int i = digits - 1; i >= 0; i--, value /= 10) at[i] = (char)('0' + value % 10);
}

static int64_t read_digits(const char *at, int digits) {
    int64_t value = 0;
    for (int i = 0; i < digits; i++) value = value * 10 + (at[i] - '0');
    return value;
}

// Writes the value of the placeholder `{name}` at `t`; returns its size, or -1 for other text. `s` in messages only.
static int expand_one(const char *t, const member *m, int marker_size, sender *s, char *out, int at) {
    if (!strncmp(t, "{i}", 3)) return sprintf(out, "%d", m->index);
    if (!strncmp(t, "{r}", 3)) return sprintf(out, "%d", m->room);
    if (!strncmp(t, "{t}", 3) && o.n_tokens) return sprintf(out, "%s", o.tokens[m->index % o.n_tokens]);
    if (s && !strncmp(t, "{n}", 3) && s->n_numbers < 4) {
        s->number_at[s->n_numbers++] = at;
        return NUMBER_DIGITS;
    }
    if (s && !strncmp(t, "{s}", 3)) return sprintf(out, "%d", marker_size);
    if (s && !strncmp(t, "{m}", 3)) {
        s->marker_at = at;
        memset(out, 'x', marker_size);
        return marker_size;
    }
    return -1;
}

static int expand(const char *template, const member *m, int marker_size, sender *s, char *out) {
    int size = 0;
    for (const char *t = template; *t;) {
        if (size > TEMPLATE_BYTES - 16384) die("a template is too long");
        int written = *t == '{' ? expand_one(t, m, marker_size, s, out + size, size) : -1;
        if (written < 0) {
            out[size++] = *t++;
        } else {
            size += written;
            t += 3;
        }
    }
    out[size] = 0;
    return size;
}

static void prepare(sender *s, member *m) {
    static char text[TEMPLATE_BYTES];
    int bare = expand(o.message, m, 0, s, text);
    int marker_size = o.size - bare > MARKER_BYTES ? o.size - bare : MARKER_BYTES;
    *s = (sender){.member = m, .marker_at = -1};
    s->size = expand(o.message, m, marker_size, s, text);
    if (s->marker_at < 0) die("the message has no {m}");
    s->text = memcpy(malloc(s->size), text, s->size);
    memcpy(s->text + s->marker_at, "@T=", 3);
    s->text[s->marker_at + 22] = ',';
    write_digits(s->text + s->marker_at + 23, 5, m->index);
    s->text[s->marker_at + 28] = ';';
}

// ---- Writing ----

static void watch(member *m, int operation, int wants_out) {
    int wants_in = !(m->is_slow && phase >= WARM);
    struct epoll_event event = {.events = (wants_in ? EPOLLIN : 0) | (wants_out ? EPOLLOUT : 0), .data.ptr = m};
    epoll_ctl(epoll_fd, operation, m->fd, &event);
    m->wants_out = wants_out;
}

static void lose(member *m, const char *why) {
    if (m->state == DEAD) return;
    if (o.verbose) fprintf(stderr, "wsload: member %d, state %d: %s (%s)\n", m->index, m->state, why, strerror(errno));
    if (m->state == READY) n_closed++;
    else n_failed++;
    m->state = DEAD;
    close(m->fd);
}

static void keep(char **buffer, int *size, int *capacity, const char *bytes, int n) {
    if (*size + n > *capacity) {
        *capacity = (*size + n) * 2;
        *buffer = realloc(*buffer, *capacity);
    }
    memcpy(*buffer + *size, bytes, n);
    *size += n;
}

static void write_bytes(member *m, const char *bytes, int n) {
    if (m->state == DEAD) return;
    ssize_t taken = 0;
    if (!m->n_out && (taken = send(m->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
        if (errno != EAGAIN) return lose(m, "send");
        taken = 0;
    }
    if (taken == n) return;
    keep(&m->out, &m->n_out, &m->cap_out, bytes + taken, n - (int)taken);
    if (!m->wants_out) watch(m, EPOLL_CTL_MOD, 1);
}

static void flush(member *m) {
    ssize_t taken = send(m->fd, m->out, m->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0) {
        if (errno != EAGAIN) lose(m, "send");
        return;
    }
    m->n_out -= (int)taken;
    memmove(m->out, m->out + taken, m->n_out);
    if (!m->n_out) watch(m, EPOLL_CTL_MOD, 0);
}

// Writes one masked frame, as RFC 6455 section 5.2 requires of a client.
static void write_frame(member *m, int opcode, const char *payload, int n) {
    static char frame[TEMPLATE_BYTES + 16];
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    if (n > TEMPLATE_BYTES - 1) die("a frame to send is too large");
    int head = 2;
    frame[0] = (char)(0x80 | opcode);
    frame[1] = (char)(0x80 | (n < 126 ? n : 126));
    if (n >= 126) {
        frame[head++] = (char)(n >> 8);
        frame[head++] = (char)n;
    }
    memcpy(frame + head, mask, 4);
    head += 4;
    for (int i = 0; i < n; i++) frame[head + i] = (char)(payload[i] ^ mask[i & 3]);
    write_bytes(m, frame, head + n);
}

// ---- Sending messages ----

static void send_message(sender *s, int64_t due_ns) {
    if (s->member->state != READY) return;
    int64_t number = next_number++;
    write_digits(s->text + s->marker_at + 3, 19, due_ns);
    for (int i = 0; i < s->n_numbers; i++) write_digits(s->text + s->number_at[i], NUMBER_DIGITS, number);
    pendings[number & (PENDING - 1)] = (pending){number, due_ns, s};
    s->member->awaited++;
    if (is_counted(due_ns)) {
        n_sent++;
        n_expected += room_members[s->member->room];
    }
    write_frame(s->member, o.opcode, s->text, s->size);
}

static void send_closed_loop(void) {
    for (int k = 0; k < o.senders; k++)
        while (senders[k].member->state == READY && senders[k].member->awaited < o.window)
            send_message(&senders[k], now_ns());
}

// Sends due messages; returns whether more are due already (it stops periodically to read).
static int send_open_loop(int64_t now) {
    int64_t interval_ns = (int64_t)(1e9 / o.rate);
    for (int sent = 0; next_due_ns <= now && next_due_ns < run_end_ns; sent++) {
        if (sent == 64) return 1;
        send_message(&senders[next_sender], next_due_ns);
        next_sender = (next_sender + 1) % o.senders;
        next_due_ns += interval_ns;
    }
    return 0;
}

static int send_due(int64_t now) {
    if (!o.senders || phase < WARM || now >= run_end_ns) return 0;
    if (o.rate > 0) return send_open_loop(now);
    send_closed_loop();
    return 0;
}

// ---- Reading ----

static int is_in_run(int64_t now) { return now >= run_ns && now < run_end_ns; }

static void on_ack(int64_t number, int64_t now) {
    pending *p = &pendings[number & (PENDING - 1)];
    if (p->number != number) return;
    p->number = 0;
    p->sender->member->awaited--;
    if (is_counted(p->due_ns)) record(&acks, now - p->due_ns);
    if (is_in_run(now)) n_acks_in_run++;
}

static void find_acks(const char *payload, int n, int64_t now) {
    size_t pattern = strlen(o.ack);
    const char *end = payload + n, *at = payload;
    while ((at = memmem(at, end - at, o.ack, pattern)) && end - at >= (long)pattern + NUMBER_DIGITS) {
        on_ack(read_digits(at + pattern, NUMBER_DIGITS), now);
        at += pattern + NUMBER_DIGITS;
    }
}

static void find_markers(member *m, const char *payload, int n, int64_t now) {
    const char *last = payload + n - MARKER_BYTES;
    for (const char *at = payload; at <= last && (at = memchr(at, '@', last - at + 1)); at++) {
        if (at[1] != 'T' || at[2] != '=') continue;
        int64_t due_ns = read_digits(at + 3, 19);
        if (is_counted(due_ns)) record(&deliveries, now - due_ns);
        if (is_in_run(now)) n_deliveries_in_run++;
        if (!o.ack && read_digits(at + 23, 5) == m->index && m->awaited) m->awaited--; // received its own message
        at += MARKER_BYTES - 1;
    }
}

static void do_steps(member *m) {
    static char text[TEMPLATE_BYTES];
    for (; m->state == SETUP && m->step < o.n_steps && o.steps[m->step].kind == SEND; m->step++)
        write_frame(m, o.opcode, text, expand(o.steps[m->step].text, m, 0, NULL, text));
    if (m->state == SETUP && m->step == o.n_steps) {
        m->state = READY;
        progress_ns = now_ns();
        n_ready++;
    }
}

static void on_payload(member *m, const char *payload, int n, int64_t now) {
    if (o.verbose > 1) fprintf(stderr, "wsload: member %d: %.*s\n", m->index, n < 300 ? n : 300, payload);
    if (m->state == SETUP && memmem(payload, n, o.steps[m->step].text, strlen(o.steps[m->step].text))) {
        m->step++;
        do_steps(m);
    }
    if (o.ping && n == (int)strlen(o.ping) && !memcmp(payload, o.ping, n))
        return write_frame(m, o.opcode, o.pong, (int)strlen(o.pong));
    if (o.ack && m->awaited) find_acks(payload, n, now);
    if (o.refusal && m->awaited && memmem(payload, n, o.refusal, strlen(o.refusal)) && !n_refused++)
        fprintf(stderr, "wsload: the first refusal: %.*s\n", n < 300 ? n : 300, payload);
    find_markers(m, payload, n, now);
}

static void on_frame(member *m, int opcode, const char *payload, int n, int64_t now) {
    n_frames++;
    if (opcode == PING) write_frame(m, PONG, payload, n);
    else if (opcode == CLOSE) lose(m, "closed by the server");
    else if (opcode != PONG) on_payload(m, payload, n, now);
}

// Returns the size of the frame at `b` and the start of its payload; 0 when it is incomplete.
static long whole_frame(const unsigned char *b, long n, int *head) {
    if (n < 2) return 0;
    uint64_t size = b[1] & 127;
    *head = size < 126 ? 2 : size == 126 ? 4 : 10;
    if (n < *head) return 0;
    if (*head > 2) {
        size = 0;
        for (int i = 2; i < *head; i++) size = size << 8 | b[i];
    }
    if (size > FRAME_BYTES) die("the server sent a frame that is too large");
    return (uint64_t)n < *head + size ? 0 : *head + (long)size;
}

// Parses the handshake response; returns its size, or 0 when it is incomplete or invalid.
static int take_handshake(member *m, char *bytes, int n) {
    char *end = memmem(bytes, n, "\r\n\r\n", 4);
    if (!end) return 0;
    if (n < 12 || memcmp(bytes + 9, "101", 3)) {
        if (o.verbose) fprintf(stderr, "%.*s\n", n, bytes);
        lose(m, "the handshake was refused");
        return 0;
    }
    m->state = SETUP;
    do_steps(m);
    return (int)(end + 4 - bytes);
}

static void on_readable(member *m) {
    int have = m->n_in;
    if (have) memcpy(read_buffer, m->in, have);
    m->n_in = 0;
    ssize_t got = recv(m->fd, read_buffer + have, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) got = 0;
    else if (got <= 0) return lose(m, got ? "recv" : "end of stream");
    int64_t now = now_ns();
    int n = have + (int)got, at = 0, head = 0;
    n_bytes += got;
    if (m->state == HANDSHAKE) at = take_handshake(m, read_buffer, n);
    for (long size; m->state > HANDSHAKE && m->state != DEAD; at += size) {
        if (!(size = whole_frame((unsigned char *)read_buffer + at, n - at, &head))) break;
        on_frame(m, read_buffer[at] & 15, read_buffer + at + head, (int)size - head, now);
    }
    if (m->state != DEAD && at < n) keep(&m->in, &m->n_in, &m->cap_in, read_buffer + at, n - at);
}

// ---- Connecting ----

static int port_of(const member *m) { return o.ports[m->index % o.n_ports]; }

static void start(member *m) {
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port_of(m))}, from = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, o.host, &to.sin_addr) != 1) die("--host wants an IPv4 address");
    if ((m->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) < 0) die("too many open files: raise the limit");
    setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!strncmp(o.host, "127.", 4)) {
        setsockopt(m->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        from.sin_addr.s_addr = htonl(0x7f000001 + m->index / MEMBERS_PER_ADDRESS);
        bind(m->fd, (void *)&from, sizeof from);
    }
    int failed = connect(m->fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS;
    watch(m, EPOLL_CTL_ADD, 1);
    if (failed) lose(m, "connect");
}

static void send_handshake(member *m) {
    static char request[TEMPLATE_BYTES * 2], text[TEMPLATE_BYTES];
    expand(o.path, m, 0, NULL, text);
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n",
                     text, o.host, port_of(m));
    for (int i = 0; i < o.n_headers; i++) {
        expand(o.headers[i], m, 0, NULL, text);
        n += snprintf(request + n, sizeof request - n, "%s\r\n", text);
    }
    n += snprintf(request + n, sizeof request - n, "\r\n");
    m->state = HANDSHAKE;
    watch(m, EPOLL_CTL_MOD, 0);
    write_bytes(m, request, n);
}

static void on_event(member *m, unsigned events) {
    if (m->state == DEAD) return;
    if (m->state == CONNECTING) {
        int problem = 0;
        socklen_t size = sizeof problem;
        getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem) lose(m, strerror(problem));
        else if (events & EPOLLOUT) send_handshake(m);
        return;
    }
    if (events & EPOLLOUT && m->n_out) flush(m);
    if (m->state != DEAD && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(m);
}

// ---- Run loop ----

static void say(const char *word) {
    puts(word);
    fflush(stdout);
}

// The number of multiples of `step` in [from, to).
static uint64_t multiples(int64_t from, int64_t to, int64_t step) {
    return (uint64_t)((to + step - 1) / step - (from + step - 1) / step);
}

static void begin_warm_up(int64_t now) {
    phase = WARM;
    for (int i = 0; i < o.members; i++) {
        if (members[i].state != READY) continue;
        if (members[i].is_slow) watch(&members[i], EPOLL_CTL_MOD, 0);
        else room_members[members[i].room]++;
    }
    next_due_ns = now;
    run_ns = now + (int64_t)(o.warm_s * 1e9);
    run_end_ns = run_ns + (int64_t)(o.run_s * 1e9);
    if (o.heard) n_expected = multiples(run_ns, run_end_ns, (int64_t)(1e9 / o.rate)) * (uint64_t)n_ready;
}

// Waits for the start signal on stdin.
static void await_word(void) {
    char word[64];
    ssize_t n = read(0, word, sizeof word);
    if (n > 0) begin_warm_up(now_ns());
    else if (n == 0) phase = END;
}

static void connect_more(int64_t now) {
    while (n_started < o.members && n_started - n_ready - n_failed < o.at_once) start(&members[n_started++]);
    if (n_ready + n_failed < o.members && now - progress_ns < CONNECT_DEADLINE_NS) return;
    phase = SETTLE;
    connected_ns = now;
}

static void on_settled(int64_t now) {
    if (!o.hold) return begin_warm_up(now);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event) < 0) die("--hold wants a pipe or terminal as stdin");
    phase = HOLD;
    say("ready");
}

static int is_all_in(void) { return deliveries.total >= n_expected && (!o.ack || acks.total + n_refused >= n_sent); }

static void advance(int64_t now) {
    if (phase == CONNECT) connect_more(now);
    else if (phase == SETTLE && now - connected_ns > o.settle_ms * 1000000LL) on_settled(now);
    else if (phase == WARM && now >= run_ns) {
        phase = RUN;
        if (o.hold) say("run");
    } else if (phase == RUN && now >= run_end_ns) phase = DRAIN;
    else if (phase == DRAIN && (is_all_in() || now - run_end_ns > o.drain_ms * 1000000LL)) {
        phase = END;
        if (o.hold) say("end");
    }
}

// The time until the next scheduled action.
static int64_t spare_ns(int64_t now) {
    int64_t until = now + 2000000;
    if (phase >= WARM && phase <= RUN && o.senders && o.rate > 0 && next_due_ns < until) until = next_due_ns;
    if (phase == WARM && run_ns < until) until = run_ns;
    if (phase == RUN && run_end_ns < until) until = run_end_ns;
    return until > now ? until - now : 0;
}

static void work(void) {
    static struct epoll_event events[512];
    while (phase != END) {
        advance(now_ns());
        int is_late = send_due(now_ns());
        struct timespec timeout = {0, is_late ? 0 : spare_ns(now_ns())};
        int n = epoll_pwait2(epoll_fd, events, 512, &timeout, NULL);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr) await_word();
            else on_event(events[i].data.ptr, events[i].events);
            if (i % 64 == 63) send_due(now_ns());
        }
    }
}

// ---- Result ----

static void print_latency(const char *name, const histogram *h) {
    printf("\"%s\": {\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"p999\": %.4f, \"max\": %.4f}, ", name,
           percentile_ms(h, .5), percentile_ms(h, .9), percentile_ms(h, .99), percentile_ms(h, .999), h->max / 1e6);
}

static void print_result(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu_s = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"connected\": %d, \"failed\": %d, \"connect_s\": %.6f, ", n_ready, n_failed,
           (connected_ns - begun_ns) / 1e9);
    printf("\"sent\": %lu, \"acked\": %lu, \"refused\": %lu, \"acked_in_run\": %lu, ", n_sent, acks.total, n_refused,
           n_acks_in_run);
    print_latency("ack_ms", &acks);
    printf("\"expected\": %lu, \"delivered\": %lu, \"delivered_in_run\": %lu, ", n_expected, deliveries.total,
           n_deliveries_in_run);
    print_latency("delivery_ms", &deliveries);
    printf("\"frames\": %lu, \"bytes\": %lu, \"closed\": %lu, \"run_s\": %.3f, \"cpu_s\": %.3f}\n", n_frames, n_bytes,
           n_closed, o.run_s, cpu_s);
}

// ---- Command line ----

static void load_tokens(const char *name) {
    char line[8192];
    FILE *file = fopen(name, "r");
    if (!file) die("can't read the tokens file");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line) continue;
        o.tokens = realloc(o.tokens, (o.n_tokens + 1) * sizeof *o.tokens);
        o.tokens[o.n_tokens++] = strdup(line);
    }
    fclose(file);
    if (!o.n_tokens) die("the tokens file holds no token");
}

static void add_step(int kind, const char *text) {
    if (o.n_steps == STEPS) die("too many steps");
    o.steps[o.n_steps++] = (step){kind, text};
}

static void add_header(const char *text) {
    if (o.n_headers == 16) die("too many headers");
    o.headers[o.n_headers++] = text;
}

static void add_port(int port) {
    if (o.n_ports == 16) die("too many ports");
    o.ports[o.n_ports++] = port;
}

static const struct option OPTIONS[] = {
    {"host", 1, 0, 'h'},      {"port", 1, 0, 'p'},     {"path", 1, 0, 'P'},     {"header", 1, 0, 'H'},
    {"members", 1, 0, 'n'},   {"senders", 1, 0, 'm'},  {"rooms", 1, 0, 'r'},    {"at-once", 1, 0, 'c'},
    {"size", 1, 0, 's'},      {"rate", 1, 0, 'R'},     {"window", 1, 0, 'W'},   {"warm-s", 1, 0, 'w'},
    {"run-s", 1, 0, 'd'},     {"settle-ms", 1, 0, 'S'}, {"drain-ms", 1, 0, 'D'}, {"slow", 1, 0, 'l'},
    {"tokens", 1, 0, 't'},    {"send", 1, 0, '>'},     {"expect", 1, 0, '<'},   {"message", 1, 0, 'M'},
    {"ack", 1, 0, 'a'},       {"refusal", 1, 0, 'e'},  {"ping", 1, 0, 'i'},     {"pong", 1, 0, 'o'},
    {"binary", 0, 0, 'b'},    {"hold", 0, 0, 'k'},     {"heard", 0, 0, '|'}, {"verbose", 0, 0, 'v'},
    {0}};

static void set(int option, char *value) {
    switch (option) {
    case 'h': o.host = value; break;
    case 'p': add_port(atoi(value)); break;
    case 'P': o.path = value; break;
    case 'H': add_header(value); break;
    case 'n': o.members = atoi(value); break;
    case 'm': o.senders = atoi(value); break;
    case 'r': o.rooms = atoi(value); break;
    case 'c': o.at_once = atoi(value); break;
    case 's': o.size = atoi(value); break;
    case 'R': o.rate = strcmp(value, "max") ? atof(value) : 0; break;
    case 'W': o.window = atoi(value); break;
    case 'w': o.warm_s = atof(value); break;
    case 'd': o.run_s = atof(value); break;
    case 'S': o.settle_ms = atoi(value); break;
    case 'D': o.drain_ms = atoi(value); break;
    case 'l': o.slow = atoi(value); break;
    case 't': load_tokens(value); break;
    case '>': add_step(SEND, value); break;
    case '<': add_step(EXPECT, value); break;
    case 'M': o.message = value; break;
    case 'a': o.ack = value; break;
    case 'e': o.refusal = value; break;
    case 'i': o.ping = value; break;
    case 'o': o.pong = value; break;
    case 'b': o.opcode = BINARY; break;
    case 'k': o.hold = 1; break;
    case '|': o.heard = 1; break;
    case 'v': o.verbose++; break;
    default: exit(2);
    }
}

static void check_options(void) {
    if (!o.n_ports) die("there is no --port");
    if (o.members < 1 || o.rooms < 1 || o.at_once < 1 || o.window < 1) die("counts are at least 1");
    if (o.senders > o.members) die("more senders than members");
    if (o.senders && !o.message) die("senders want a --message");
    if (o.heard && (o.senders || o.rate <= 0)) die("--heard wants a --rate and no senders");
    if (!o.ping != !o.pong) die("--ping and --pong go together");
}

int main(int argc, char **argv) {
    for (int option; (option = getopt_long(argc, argv, "v", OPTIONS, 0)) != -1;) set(option, optarg);
    check_options();
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    next_number = FIRST_NUMBER + (wall.tv_sec * 1000000LL + wall.tv_nsec / 1000) % FIRST_NUMBER;
    epoll_fd = epoll_create1(0);
    read_buffer = malloc(FRAME_BYTES + READ_BYTES + 16);
    members = calloc(o.members, sizeof *members);
    senders = calloc(o.senders + 1, sizeof *senders);
    pendings = calloc(PENDING, sizeof *pendings);
    room_members = calloc(o.rooms, sizeof *room_members);
    for (int i = 0; i < o.members; i++)
        members[i] = (member){.index = i, .room = i % o.rooms, .is_slow = i >= o.members - o.slow};
    for (int k = 0; k < o.senders; k++) prepare(&senders[k], &members[k]);
    begun_ns = progress_ns = now_ns();
    work();
    print_result();
    fflush(stdout);
    _exit(0); // the kernel closes the connections faster than this program
}
