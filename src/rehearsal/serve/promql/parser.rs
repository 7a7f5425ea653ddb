//! Text to [`Expression`], by descent.

use jiff::SignedDuration;
use regex::Regex;

use super::{Aggregation, Expression, Matcher, Operator, PromqlError, Selector};

/// Reads an expression.
pub fn parse(text: &str) -> Result<Expression, PromqlError> {
    let mut parser = Parser { text, at: 0 };
    let expression = parser.or()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error(format!("unexpected {:?}", parser.rest())));
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn error(&self, what: impl Into<String>) -> PromqlError {
        PromqlError::Parse { at: self.at + 1, what: what.into() }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), PromqlError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(format!("expected {token:?}"))) }
    }

    fn word(&mut self) -> &'a str {
        self.space();
        let rest = self.rest();
        let end = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'))
            .unwrap_or(rest.len());
        if rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            return "";
        }
        self.at += end;
        &rest[..end]
    }

    fn or(&mut self) -> Result<Expression, PromqlError> {
        let mut left = self.sum()?;
        loop {
            let before = self.at;
            if self.word() != "or" {
                self.at = before;
                return Ok(left);
            }
            let right = self.sum()?;
            left = join(Operator::Or, left, right);
        }
    }

    fn sum(&mut self) -> Result<Expression, PromqlError> {
        let mut left = self.product()?;
        loop {
            let operator = if self.eat("+") {
                Operator::Add
            } else if self.eat("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            left = join(operator, left, self.product()?);
        }
    }

    fn product(&mut self) -> Result<Expression, PromqlError> {
        let mut left = self.single()?;
        loop {
            let operator = if self.eat("*") {
                Operator::Multiply
            } else if self.eat("/") {
                Operator::Divide
            } else {
                return Ok(left);
            };
            left = join(operator, left, self.single()?);
        }
    }

    fn single(&mut self) -> Result<Expression, PromqlError> {
        if self.eat("(") {
            let inner = self.or()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.eat("-") {
            return Ok(join(Operator::Multiply, Expression::Number(-1.0), self.single()?));
        }
        self.space();
        if self.rest().starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
            return self.number();
        }
        let start = self.at;
        let name = self.word();
        let aggregation = match name {
            "sum" => Some(Aggregation::Sum),
            "avg" => Some(Aggregation::Avg),
            "min" => Some(Aggregation::Min),
            "max" => Some(Aggregation::Max),
            "count" => Some(Aggregation::Count),
            _ => None,
        };
        match name {
            "" => Err(self.error(if self.rest().is_empty() {
                "unexpected end of input"
            } else {
                "expected an expression"
            })),
            _ if aggregation.is_some() => {
                let how = aggregation.expect("tested in the guard");
                let mut by = self.grouping()?;
                self.expect("(")?;
                let of = Box::new(self.or()?);
                self.expect(")")?;
                if by.is_empty() {
                    by = self.grouping()?;
                }
                Ok(Expression::Aggregate { how, by, of })
            }
            "rate" | "increase" => {
                self.expect("(")?;
                let metric = self.word();
                let selector = self.selector(metric)?;
                self.expect("[")?;
                let window = self.duration()?;
                self.expect("]")?;
                self.expect(")")?;
                Ok(Expression::Rise { selector, window, per_second: name == "rate" })
            }
            "histogram_quantile" => {
                self.expect("(")?;
                let share = Box::new(self.or()?);
                self.expect(",")?;
                let of = Box::new(self.or()?);
                self.expect(")")?;
                Ok(Expression::Quantile { share, of })
            }
            "vector" => {
                self.expect("(")?;
                let value = Box::new(self.or()?);
                self.expect(")")?;
                Ok(Expression::Vector(value))
            }
            _ if self.rest().trim_start().starts_with('(') => {
                self.at = start;
                Err(self.error(format!("unknown function {name:?}")))
            }
            metric => Ok(Expression::Select(self.selector(metric)?)),
        }
    }

    fn grouping(&mut self) -> Result<Vec<String>, PromqlError> {
        let before = self.at;
        if self.word() != "by" {
            self.at = before;
            return Ok(Vec::new());
        }
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.eat(")") {
            let label = self.word();
            if label.is_empty() {
                return Err(self.error("expected a label name"));
            }
            labels.push(label.to_owned());
            self.eat(",");
        }
        Ok(labels)
    }

    fn selector(&mut self, metric: &str) -> Result<Selector, PromqlError> {
        if metric.is_empty() {
            return Err(self.error("expected the name of a metric"));
        }
        let mut matchers = Vec::new();
        if self.eat("{") {
            while !self.eat("}") {
                let label = self.word();
                if label.is_empty() {
                    return Err(self.error("expected a label name"));
                }
                let operator = ["=~", "!~", "!=", "="].into_iter().find(|operator| self.eat(operator));
                let operator = operator.ok_or_else(|| self.error("expected one of = != =~ !~"))?;
                let value = self.string()?;
                let pattern = |value: &str| {
                    Regex::new(&format!("^(?:{value})$"))
                        .map_err(|_| self.error(format!("bad pattern {value:?}")))
                };
                let matcher = match operator {
                    "=" => Matcher::Is(value),
                    "!=" => Matcher::IsNot(value),
                    "=~" => Matcher::Like(pattern(&value)?),
                    _ => Matcher::Unlike(pattern(&value)?),
                };
                matchers.push((label.to_owned(), matcher));
                self.eat(",");
            }
        }
        Ok(Selector { metric: metric.to_owned(), matchers })
    }

    fn string(&mut self) -> Result<String, PromqlError> {
        self.space();
        let quote = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => quote,
            _ => return Err(self.error("expected a quoted string")),
        };
        let mut value = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((index, letter)) = letters.next() {
            if letter == quote {
                self.at += index + 1;
                return Ok(value);
            }
            if letter == '\\' && quote != '`' {
                value.extend(letters.next().map(|(_, escaped)| if escaped == 'n' { '\n' } else { escaped }));
            } else {
                value.push(letter);
            }
        }
        Err(self.error("unterminated quoted string"))
    }

    fn number(&mut self) -> Result<Expression, PromqlError> {
        let rest = self.rest();
        let end = rest
            .find(|letter: char| !(letter.is_ascii_digit() || letter == '.' || letter == 'e'))
            .unwrap_or(rest.len());
        let value = rest[..end].parse().map_err(|_| self.error(format!("bad number {:?}", &rest[..end])))?;
        self.at += end;
        Ok(Expression::Number(value))
    }

    fn duration(&mut self) -> Result<SignedDuration, PromqlError> {
        self.space();
        let mut total = SignedDuration::ZERO;
        while self.rest().starts_with(|letter: char| letter.is_ascii_digit()) {
            let rest = self.rest();
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            let count: i64 = rest[..digits].parse().map_err(|_| self.error("bad duration"))?;
            let units = [("ms", 0), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
            let unit = units.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit));
            let Some((unit, seconds)) = unit else {
                return Err(self.error("expected a duration such as 5m"));
            };
            total += if seconds == 0 {
                SignedDuration::from_millis(count)
            } else {
                SignedDuration::from_secs(count.saturating_mul(seconds))
            };
            self.at += digits + unit.len();
        }
        if total.is_zero() {
            return Err(self.error("expected a duration such as 5m"));
        }
        Ok(total)
    }
}

fn join(operator: Operator, left: Expression, right: Expression) -> Expression {
    Expression::Binary { operator, left: Box::new(left), right: Box::new(right) }
}
