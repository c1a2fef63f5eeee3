// rawsend: the minimal cost of fan-out over loopback sockets: a WebSocket handshake, then one `send` for each member
// and message, in C. Each text frame of a member goes to every member of its room, itself included.
//
// Build: cc -O2 -o rawsend rawsend.c
// Usage: rawsend PORT [JOINED_US]     path: /?room=NUMBER
//
// With JOINED_US, the messages of a room within that many microseconds share one `send` for each member: this shows
// the limit of the kernel and the load generator, when the server is not the limit.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOMS 4096
#define READ_BYTES 65536
#define UNSENT_BYTES (8 << 20) // a member that does not read loses bytes beyond this
#define SWITCHED                                                                                                       \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                \
    "Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n" // for wsload's key, which is always the same

typedef struct {
    int fd, room, is_open, n_in, n_unsent;
    char *in, *unsent; // bytes of an unfinished frame; bytes that the kernel did not take
} member;

typedef struct {
    member **members;
    int n_members, cap_members, n_joined, cap_joined, is_due;
    char *joined; // frames that leave together
} room;

static room rooms[ROOMS];
static int epoll_fd, due_rooms[ROOMS], n_due;
static int64_t joined_ns, due_ns;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void watch(member *m, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = m};
    epoll_ctl(epoll_fd, operation, m->fd, &event);
}

// ---- Writing ----

static void write_to(member *m, const char *bytes, int n) {
    ssize_t taken = m->n_unsent ? 0 : send(m->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken == n) return;
    if (taken < 0) taken = 0;
    n -= (int)taken;
    if (m->n_unsent + n > UNSENT_BYTES) return;
    if (!m->n_unsent) watch(m, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    m->unsent = realloc(m->unsent, m->n_unsent + n);
    memcpy(m->unsent + m->n_unsent, bytes + taken, n);
    m->n_unsent += n;
}

static void write_unsent(member *m) {
    ssize_t taken = send(m->fd, m->unsent, m->n_unsent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken <= 0) return;
    m->n_unsent -= (int)taken;
    memmove(m->unsent, m->unsent + taken, m->n_unsent);
    if (!m->n_unsent) watch(m, EPOLL_CTL_MOD, EPOLLIN);
}

static void write_joined(room *r) {
    for (int i = 0; i < r->n_members; i++) write_to(r->members[i], r->joined, r->n_joined);
    r->n_joined = r->is_due = 0;
}

static void write_due(void) {
    for (int i = 0; i < n_due; i++) write_joined(&rooms[due_rooms[i]]);
    n_due = 0;
    due_ns = 0;
}

// Writes a message for a room as an unmasked frame, as RFC 6455 section 5.2 requires of a server.
static void on_message(int number, const char *payload, int n) {
    room *r = &rooms[number];
    if (r->n_joined + n + 4 > r->cap_joined) {
        r->cap_joined = (r->n_joined + n + 4) * 2;
        r->joined = realloc(r->joined, r->cap_joined);
    }
    char *at = r->joined + r->n_joined;
    *at++ = (char)0x81;
    *at++ = (char)(n < 126 ? n : 126);
    if (n >= 126) {
        *at++ = (char)(n >> 8);
        *at++ = (char)n;
    }
    memcpy(at, payload, n);
    r->n_joined = (int)(at + n - r->joined);
    if (!joined_ns) return write_joined(r);
    if (!r->is_due) due_rooms[n_due++] = number;
    r->is_due = 1;
    if (!due_ns) due_ns = now_ns() + joined_ns;
}

// ---- Reading ----

static void leave(member *m) {
    room *r = &rooms[m->room];
    for (int i = 0; m->is_open && i < r->n_members; i++)
        if (r->members[i] == m) r->members[i--] = r->members[--r->n_members];
    close(m->fd);
    free(m->in);
    free(m->unsent);
    free(m);
}

static void join(member *m) {
    room *r = &rooms[m->room];
    if (r->n_members == r->cap_members) {
        r->cap_members = r->cap_members * 2 + 16;
        r->members = realloc(r->members, r->cap_members * sizeof *r->members);
    }
    r->members[r->n_members++] = m;
    m->is_open = 1;
    send(m->fd, SWITCHED, strlen(SWITCHED), MSG_NOSIGNAL);
}

// Parses a request; returns its size, or 0 when it is incomplete.
static int take_request(member *m) {
    char *end = memmem(m->in, m->n_in, "\r\n\r\n", 4);
    if (!end) return 0;
    char *wanted = memmem(m->in, m->n_in, "room=", 5);
    m->room = wanted ? atoi(wanted + 5) % ROOMS : 0;
    join(m);
    return (int)(end + 4 - m->in);
}

// Parses a client's frame of less than 64 KiB at `bytes`; returns its size, or 0 when it is incomplete.
static int take_frame(member *m, char *bytes, int n) {
    unsigned char *b = (unsigned char *)bytes;
    int head = 6, size = n > 1 ? b[1] & 127 : 0;
    if (n < 6) return 0;
    if (size == 126) {
        if (n < 8) return 0;
        size = b[2] << 8 | b[3];
        head = 8;
    }
    if (n < head + size) return 0;
    unsigned char *payload = b + head, *mask = payload - 4;
    for (int i = 0; i < size; i++) payload[i] ^= mask[i & 3];
    if ((b[0] & 15) == 1) on_message(m->room, (char *)payload, size);
    return head + size;
}

static void on_readable(member *m) {
    static char bytes[READ_BYTES];
    ssize_t got = recv(m->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return leave(m);
    m->in = realloc(m->in, m->n_in + got);
    memcpy(m->in + m->n_in, bytes, got);
    m->n_in += (int)got;
    int at = m->is_open ? 0 : take_request(m);
    for (int size; m->is_open && (size = take_frame(m, m->in + at, m->n_in - at)); at += size) continue;
    m->n_in -= at;
    memmove(m->in, m->in + at, m->n_in);
    if (m->n_in) return;
    free(m->in); // an idle member has no buffer
    m->in = NULL;
}

// ---- Main loop ----

static int listen_at(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!bind(fd, (void *)&at, sizeof at) && !listen(fd, 4096)) return fd;
    perror("rawsend");
    exit(2);
}

static void accept_all(int listener) {
    for (int fd, one = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        member *m = calloc(1, sizeof *m);
        m->fd = fd;
        watch(m, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static struct timespec until_due(void) {
    int64_t left_ns = due_ns ? due_ns - now_ns() : 1000000000LL;
    if (left_ns < 0) left_ns = 0;
    return (struct timespec){left_ns / 1000000000LL, left_ns % 1000000000LL};
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: rawsend PORT [JOINED_US]\n"), 2;
    joined_ns = argc > 2 ? atoll(argv[2]) * 1000 : 0;
    int listener = listen_at(atoi(argv[1]));
    epoll_fd = epoll_create1(0);
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct timespec timeout = until_due();
        int n = epoll_pwait2(epoll_fd, events, 256, &timeout, NULL);
        for (int i = 0; i < n; i++) {
            member *m = events[i].data.ptr;
            if (!m) accept_all(listener);
            else if (events[i].events & EPOLLOUT && m->n_unsent) write_unsent(m);
            if (m && events[i].events & ~EPOLLOUT) on_readable(m);
        }
        if (due_ns && now_ns() >= due_ns) write_due();
    }
}
