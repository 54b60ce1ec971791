/* SPDX-License-Identifier: MIT */
#include "tui/commands/query_print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/format.h"
#include "tui/json_out.h"

#define MOST_COLUMNS 256
#define HELD_ROWS    1000 /* the widths of a table come from the first rows; later ones stream */
#define MOST_WIDTH   60

struct query_print {
	enum query_print_format format;
	FILE *out;
	struct json_out json;
	bool open;     /* a statement's head has been printed */
	bool terminal; /* out is one: CSV is made safe for it too, else it has what is there */
	int columns;
	char *names[MOST_COLUMNS]; /* of the statement at hand, owned */
	bool number[MOST_COLUMNS];
	int width[MOST_COLUMNS];
	char **held; /* rows * columns texts, owned; NULL = NULL */
	size_t rows;
	bool streaming;
};

struct query_print *query_print_new(enum query_print_format format, FILE *out)
{
	struct query_print *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->format = format;
	p->out = out;
	p->terminal = isatty(fileno(out));
	json_out_init(&p->json, out);
	if (format == QUERY_PRINT_JSON)
		json_out_begin(&p->json, NULL, '[');
	return p;
}

/* ---- one value ---- */

static char *hex_of(const struct query_value *v)
{
	const unsigned char *bytes = (const unsigned char *)v->text;
	size_t n = v->text ? v->bytes : 0;
	char *text = malloc(n * 2 + 1);

	for (size_t i = 0; text && i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	if (text)
		text[2 * n] = 0;
	return text;
}

/* For people: three decimals say enough of what is larger than 1. */
static char *short_real(double d)
{
	char number[352];
	size_t len;

	if (!(d >= 1 && d < 1e15) && !(d <= -1 && d > -1e15)) {
		snprintf(number, sizeof(number), "%.4g", d);
		return strdup(number);
	}
	len = (size_t)snprintf(number, sizeof(number), "%.3f", d);
	while (number[len - 1] == '0')
		number[--len] = 0;
	if (number[len - 1] == '.')
		number[len - 1] = 0;
	return strdup(number);
}

/* Owned text; NULL = SQL NULL or no memory. */
static char *text_of(const struct query_value *v)
{
	char number[32];

	switch (v->type) {
	case QUERY_NULL:
		return NULL;
	case QUERY_INT:
		snprintf(number, sizeof(number), "%lld", (long long)v->i);
		return strdup(number);
	case QUERY_REAL:
		snprintf(number, sizeof(number), "%.10g", v->d);
		return strdup(number);
	case QUERY_TEXT:
		return strndup(v->text ? v->text : "", v->bytes);
	default:
		return hex_of(v);
	}
}

/* ---- table ---- */

static void cell(FILE *out, const char *clean, int width, bool right, bool last)
{
	int pad = width - (int)format_columns(clean);

	fprintf(out, "%*s%s%*s%s", right && pad > 0 ? pad : 0, "", clean,
		!right && !last && pad > 0 ? pad : 0, "", last ? "\n" : "  ");
}

/* The untrusted text of one cell is made safe here, before its width is taken. */
static char *clean_of(const char *text)
{
	size_t size = text ? strlen(text) * 3 + 1 : 1;
	char *clean = malloc(size);

	if (clean)
		format_clean(clean, size, text ? text : "");
	return clean;
}

static void table_head(struct query_print *p)
{
	for (int i = 0; i < p->columns; i++)
		cell(p->out, p->names[i], p->width[i], p->number[i], i + 1 == p->columns);
	for (int i = 0; i < p->columns; i++) {
		for (int k = 0; k < p->width[i]; k++)
			fputc('-', p->out);
		fputs(i + 1 == p->columns ? "\n" : "  ", p->out);
	}
}

static void table_row(const struct query_print *p, char *const *texts)
{
	for (int i = 0; i < p->columns; i++)
		cell(p->out, texts[i] ? texts[i] : "", p->width[i], p->number[i],
		     i + 1 == p->columns);
}

static void table_measure(struct query_print *p)
{
	for (int i = 0; i < p->columns; i++) {
		p->width[i] = (int)format_columns(p->names[i]);
		for (size_t r = 0; r < p->rows; r++) {
			const char *text = p->held[r * (size_t)p->columns + (size_t)i];
			int w = text ? (int)format_columns(text) : 0;

			if (w > p->width[i])
				p->width[i] = w < MOST_WIDTH ? w : MOST_WIDTH;
		}
	}
}

static void table_flush(struct query_print *p)
{
	size_t n = (size_t)p->columns;

	if (!p->streaming && p->columns) {
		table_measure(p);
		table_head(p);
	}
	for (size_t r = 0; r < p->rows; r++)
		table_row(p, p->held + r * n);
	for (size_t i = 0; i < p->rows * n; i++)
		free(p->held[i]);
	free(p->held);
	p->held = NULL;
	p->rows = 0;
	p->streaming = true;
}

static int table_add(struct query_print *p, const struct query_value *values)
{
	size_t n = (size_t)p->columns;

	if (!p->held)
		p->held = calloc(HELD_ROWS * n, sizeof(*p->held));
	if (!p->held)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *raw = values[i].type == QUERY_REAL ? short_real(values[i].d)
							 : text_of(&values[i]);

		p->held[p->rows * n + i] = raw ? clean_of(raw) : NULL;
		free(raw);
		if (p->rows == 0 && !p->streaming)
			p->number[i] = values[i].type == QUERY_INT || values[i].type == QUERY_REAL;
	}
	if (++p->rows == HELD_ROWS)
		table_flush(p);
	return 0;
}

/* ---- csv, json ---- */

static void csv_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void csv_row(const struct query_print *p, const struct query_value *values)
{
	for (int i = 0; i < p->columns; i++) {
		char *text = text_of(&values[i]);

		if (text && p->terminal) {
			char *clean = clean_of(text);

			free(text);
			text = clean;
		}
		if (i)
			fputc(',', p->out);
		if (text)
			csv_text(p->out, text);
		free(text);
	}
	fputs("\r\n", p->out);
}

static void json_value(struct json_out *j, const char *name, const struct query_value *v)
{
	char *text;

	if (v->type == QUERY_NULL) {
		json_out_null(j, name);
	} else if (v->type == QUERY_INT) {
		json_out_integer(j, name, v->i);
	} else if (v->type == QUERY_REAL) {
		json_out_real(j, name, v->d);
	} else {
		text = text_of(v);
		json_out_text(j, name, text);
		free(text);
	}
}

static void json_row(struct query_print *p, const struct query_value *values)
{
	json_out_begin(&p->json, NULL, '{');
	for (int i = 0; i < p->columns; i++)
		json_value(&p->json, p->names[i], &values[i]);
	json_out_end(&p->json, '}');
}

/* ---- statements ---- */

static bool same_columns(const struct query_print *p, int n, const char *const *columns)
{
	if (!p->open || n != p->columns)
		return false;
	for (int i = 0; i < n; i++) {
		char *clean = clean_of(columns[i]);
		bool same = clean && strcmp(clean, p->names[i]) == 0;

		free(clean);
		if (!same)
			return false;
	}
	return true;
}

static void end_statement(struct query_print *p)
{
	if (p->open && p->format == QUERY_PRINT_TABLE && (p->rows || !p->streaming))
		table_flush(p);
	for (int i = 0; i < p->columns; i++)
		free(p->names[i]);
	p->columns = 0;
	p->open = false;
	p->streaming = false;
}

static void csv_head(const struct query_print *p)
{
	for (int i = 0; i < p->columns; i++) {
		if (i)
			fputc(',', p->out);
		csv_text(p->out, p->names[i]);
	}
	fputs("\r\n", p->out);
}

static int begin_statement(struct query_print *p, int n, const char *const *columns)
{
	bool another = p->open;

	end_statement(p);
	if (n > MOST_COLUMNS)
		return -E2BIG;
	if (another && p->format != QUERY_PRINT_JSON)
		fputc('\n', p->out);
	for (int i = 0; i < n; i++) {
		p->names[i] = clean_of(columns[i]);
		if (!p->names[i])
			return -ENOMEM;
		p->columns = i + 1;
		p->number[i] = false;
	}
	p->open = true;
	if (p->format == QUERY_PRINT_CSV)
		csv_head(p);
	return 0;
}

int query_print_row(void *ctx, int n, const char *const *columns, const struct query_value *values)
{
	struct query_print *p = ctx;
	int rc = same_columns(p, n, columns) ? 0 : begin_statement(p, n, columns);

	if (rc < 0 || !values)
		return rc;
	if (p->format == QUERY_PRINT_TABLE)
		return table_add(p, values);
	if (p->format == QUERY_PRINT_CSV)
		csv_row(p, values);
	else
		json_row(p, values);
	return 0;
}

struct query_print *query_print_free(struct query_print *p)
{
	if (!p)
		return NULL;
	end_statement(p);
	if (p->format == QUERY_PRINT_JSON)
		json_out_end(&p->json, ']');
	free(p->held);
	free(p);
	return NULL;
}
